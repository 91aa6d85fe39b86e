import assert from 'node:assert/strict'
import { transportContract } from '@holdfast/contracts'
import type { Admission, MessageStream, NodeId, Transport } from '@holdfast/ports'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { encodeSlice } from '../src/framing.ts'
import { createLibp2pTransport } from '../src/index.ts'
import type { Libp2pTransportOptions } from '../src/index.ts'
import { createNode } from '../src/libp2p-node.ts'
import { realClock } from './real-clock.ts'

const PROTOCOL = '/holdfast/test/1'

async function create(
  admit: (peer: NodeId) => Admission,
  options: Partial<Libp2pTransportOptions> = {},
): Promise<Transport> {
  const key = await generateKeyPair('Ed25519')
  const signingKey = { publicKey: key.publicKey.raw, secretKey: key.raw }
  return createLibp2pTransport({ signingKey, listen: ['127.0.0.1:0'], admit, clock: realClock, ...options })
}

describe('Libp2pTransport', () => {
  transportContract({ create: (admit) => create(admit) })

  describe('addresses', () => {
    it('says so when its port is taken, and can be stopped', async () => {
      const first = await create(() => 'member')
      await first.start()
      const second = await create(() => 'member', { listen: first.addresses() })
      await assert.rejects(second.start(), { code: 'HF_PORT_TAKEN' })
      await second.stop()
      await first.stop()
    })

    it('announces what it is told to', async () => {
      const transport = await create(() => 'member', { announce: 'node-1.example:4001' })
      assert.deepEqual(transport.addresses(), [])
      await transport.start()
      assert.deepEqual(transport.addresses(), ['node-1.example:4001'])
      await transport.stop()
    })

    it('refuses what is not host:port', async () => {
      await assert.rejects(
        create(() => 'member', { listen: ['/ip4/127.0.0.1/tcp/0'] }),
        { code: 'HF_BAD_INPUT' },
      )
    })

    it('works without listening, and finds a peer by name', async () => {
      const [dialer, listener] = [await create(() => 'member', { listen: [] }), await create(() => 'member')]
      await dialer.start()
      await listener.start()
      const port = listener.addresses()[0]?.split(':')[1]
      await dialer.connect(listener.self, [`localhost:${port}`])
      assert.equal(dialer.peers().length, 1)
      await dialer.stop()
      await listener.stop()
    })
  })

  it('lets a protocol with a larger window have more unread bytes', async () => {
    const windowBytes = 6 * 1024 * 1024
    const [a, b] = [
      await create(() => 'member'),
      await create(() => 'member', { windowBytes: { [PROTOCOL]: windowBytes } }),
    ]
    b.handle(PROTOCOL, () => {})
    await a.start()
    await b.start()
    await a.connect(b.self, b.addresses())
    const stream = await a.open(b.self, PROTOCOL)
    const size = 64 * 1024
    for (let sent = 0; sent + size + 128 <= windowBytes; sent += size + 128) await stream.send(new Uint8Array(size))
    const over = stream.send(new Uint8Array(size), { signal: AbortSignal.timeout(50) })
    await assert.rejects(over, { code: 'HF_ABORTED' })
    await a.stop()
    await b.stop()
  })

  describe('a peer that breaks the framing loses its connection', () => {
    let node: Libp2p
    let transport: Transport
    let served: Promise<MessageStream>

    beforeEach(async () => {
      transport = await create(() => 'member')
      served = new Promise((resolve) => transport.handle(PROTOCOL, resolve))
      await transport.start()
      const key = await generateKeyPair('Ed25519')
      node = await createNode({ secretKey: key.raw, listen: [], gater: { denyDialMultiaddr: () => false } })
      await node.start()
    })
    afterEach(async () => {
      await node.stop()
      await transport.stop()
    })

    const expectViolation = async (misbehave: (stream: Stream) => void): Promise<void> => {
      const [host, port] = transport.addresses()[0]?.split(':') ?? []
      const connection = await node.dial(multiaddr(`/ip4/${host}/tcp/${port}`))
      const closed = new Promise((resolve) => connection.addEventListener('close', resolve, { once: true }))
      const lost = new Promise((resolve) => transport.onPeer((e) => e.type === 'lost' && resolve(e)))
      const stream = await connection.newStream(PROTOCOL)
      const receiving = assert.rejects(
        served.then((s) => s.receive()),
        { code: 'HF_PEER_PROTOCOL' },
      )
      misbehave(stream)
      await Promise.all([receiving, closed, lost])
    }

    it('with bytes that are no frame', () =>
      expectViolation((s) => void s.send(new TextEncoder().encode('GET / HTTP'))))

    it('with a message above the limit', () =>
      expectViolation((s) => {
        // Reading is under way, so the credit comes back, a quarter of a window each time; what stops it is the message's size.
        const send = (slices: number): void => {
          for (let i = 0; i < slices; i++) s.send(encodeSlice(new Uint8Array(64 * 1024), false))
        }
        s.addEventListener('message', () => send(4))
        send(8)
      }))

    it('with empty slices without end', () =>
      expectViolation((s) => void s.send(encodeSlice(new Uint8Array(0), false))))
  })

  it('a peer that sends beyond its credit loses its connection', async () => {
    const transport = await create(() => 'member')
    const reached = new Promise<MessageStream>((resolve) => transport.handle(PROTOCOL, resolve))
    await transport.start()
    const key = await generateKeyPair('Ed25519')
    const node = await createNode({ secretKey: key.raw, listen: [], gater: { denyDialMultiaddr: () => false } })
    await node.start()
    const [host, port] = transport.addresses()[0]?.split(':') ?? []
    const connection = await node.dial(multiaddr(`/ip4/${host}/tcp/${port}`))
    const closed = new Promise((resolve) => connection.addEventListener('close', resolve, { once: true }))
    const stream = await connection.newStream(PROTOCOL)
    for (let i = 0; i < 20; i++) stream.send(encodeSlice(new Uint8Array(64 * 1024), true))
    await closed
    await assert.rejects(
      reached.then((s) => s.receive()),
      { code: 'HF_PEER_PROTOCOL' },
    )
    await node.stop()
    await transport.stop()
  })
})
