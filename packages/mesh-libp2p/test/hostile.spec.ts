import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import type { MessageStream, PeerEvent, Transport } from '@holdfast/ports'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, MessageStream as RawStream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { CONNECTIONS_PER_PEER_MAX, PENDING_PER_ADDRESS_MAX } from '../src/connection-limits.ts'
import { encodeCredit, encodeSlice } from '../src/framing.ts'
import { createLibp2pTransport } from '../src/index.ts'
import { createNode } from '../src/libp2p-node.ts'
import { realClock } from './real-clock.ts'

const PROTOCOL = '/holdfast/test/1'

async function started(): Promise<Transport> {
  const key = await generateKeyPair('Ed25519')
  const transport = createLibp2pTransport({
    signingKey: { publicKey: key.publicKey.raw, secretKey: key.raw },
    listen: ['127.0.0.1:0'],
    admit: () => 'member',
    clock: realClock,
  })
  await transport.start()
  return transport
}

/** A node that speaks libp2p as we do and does what it likes above. */
async function rogueNode(): Promise<Libp2p> {
  const key = await generateKeyPair('Ed25519')
  const node = await createNode({ secretKey: key.raw, listen: [], gater: { denyDialMultiaddr: () => false } })
  await node.start()
  return node
}

const hostAndPort = (transport: Transport): [string, number] => {
  const [host = '', port] = transport.addresses()[0]?.split(':') ?? []
  return [host, Number(port)]
}

const dial = (node: Libp2p, transport: Transport): Promise<Connection> => {
  const [host, port] = hostAndPort(transport)
  return node.dial(multiaddr(`/ip4/${host}/tcp/${port}`), { force: true })
}

/** What is under libp2p's connection: the bytes of the muxer. */
const muxerBytes = (connection: Connection): RawStream =>
  (connection as unknown as { muxer: { maConn: RawStream } }).muxer.maConn

describe('hostile peers', () => {
  let transport: Transport
  let rogue: Libp2p

  beforeEach(async () => {
    transport = await started()
    rogue = await rogueNode()
  })
  afterEach(async () => {
    await rogue.stop()
    await transport.stop()
  })

  const serveOne = (): Promise<MessageStream> => new Promise((resolve) => transport.handle(PROTOCOL, resolve))

  it('a muxer frame that claims 4 GiB ends the connection before its bytes are kept, and is told as misbehaviour', async () => {
    const told = new Promise<PeerEvent>((resolve) => transport.onPeer((e) => e.type === 'misbehaved' && resolve(e)))
    const connection = await dial(rogue, transport)
    const closed = once(connection, 'close')
    const header = Buffer.alloc(12)
    header.writeUInt32BE(1, 4)
    header.writeUInt32BE(0xffff_ffff, 8)
    muxerBytes(connection).send(header)
    const event = await told
    assert.ok(event.type === 'misbehaved' && event.error.code === 'HF_PEER_PROTOCOL')
    await closed
  })

  it('a message of one-byte slices costs its bytes, not its slices', async () => {
    const served = serveOne()
    const connection = await dial(rogue, transport)
    const stream = await connection.newStream(PROTOCOL)
    const ours = await served
    const byteLength = 100_000
    const frames = Buffer.concat(
      Array.from({ length: byteLength }, (_, i) => encodeSlice(Uint8Array.of(i & 255), i === byteLength - 1)),
    )
    const receiving = ours.receive()
    // Each slice costs its sender 129 bytes of credit, which must come back while the message is awaited.
    let credit = 1024 * 1024
    stream.addEventListener('message', ({ data }) => {
      for (let at = 0; at + 5 <= data.byteLength; at += 5)
        credit += Buffer.from(data.subarray(at, at + 5)).readUInt32LE(1)
    })
    for (let at = 0; at < frames.byteLength;) {
      const slices = Math.min(Math.floor(credit / 129), Math.floor((frames.byteLength - at) / 6), 2_000)
      if (slices > 0) stream.send(frames.subarray(at, at + 6 * slices))
      at += 6 * slices
      credit -= 129 * slices
      await new Promise((resolve) => setImmediate(resolve))
    }
    const message = await receiving
    assert.equal(message?.byteLength, byteLength)
    assert.equal(message.buffer.byteLength, byteLength, 'and keeps no larger memory alive')
    assert.ok(message.every((byte, i) => byte === (i & 255)))
  })

  for (const [what, bytes] of [
    ['credit of nothing', encodeCredit(0)],
    ['more credit than any window has', encodeCredit(0xffff_ffff)],
  ] as const) {
    it(`${what} ends the connection`, async () => {
      const served = serveOne()
      const connection = await dial(rogue, transport)
      const closed = once(connection, 'close')
      const stream = await connection.newStream(PROTOCOL)
      stream.send(bytes)
      await assert.rejects((await served).receive(), { code: 'HF_PEER_PROTOCOL' })
      await closed
    })
  }

  it('a peer that gives credit and reads nothing holds no sender beyond its signal', async () => {
    const served = serveOne()
    const connection = await dial(rogue, transport)
    const stream = await connection.newStream(PROTOCOL)
    stream.pause()
    stream.send(encodeCredit(32 * 1024 * 1024))
    const ours = await served
    const controller = new AbortController()
    let sent = 0
    const sending = (async () => {
      for (;;) {
        await ours.send(new Uint8Array(64 * 1024), { signal: controller.signal })
        sent++
      }
    })()
    for (let before = -1; before < sent;) {
      before = sent
      for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(sent < 32 * 16, 'the muxer holds it back')
    controller.abort()
    await assert.rejects(sending, { code: 'HF_ABORTED' })
    // The message was cut off in the middle, so the stream is over, and nothing waits on it.
    await assert.rejects(ours.send(Uint8Array.of(1)), { code: 'HF_ABORTED' })
  })

  it('a peer that connects again and again keeps its newest connections only', async () => {
    const first = await dial(rogue, transport)
    const closed = once(first, 'close')
    const later: Connection[] = []
    for (let i = 0; i < CONNECTIONS_PER_PEER_MAX; i++) later.push(await dial(rogue, transport))
    await closed
    assert.ok(later.every((c) => c.status === 'open'))
    assert.equal(transport.peers().length, 1)
  })

  it('strangers that connect and say nothing use up their own address, and members from elsewhere come in', async () => {
    const [host, port] = hostAndPort(transport)
    const strangers = Array.from({ length: PENDING_PER_ADDRESS_MAX + 8 }, () =>
      net.connect({ host, port, localAddress: '127.0.0.2' }).on('error', () => {}),
    )
    let refused = 0
    const eight = new Promise<void>((resolve) => {
      for (const socket of strangers) socket.once('close', () => ++refused === 8 && resolve())
    })
    await eight
    const connection = await dial(rogue, transport)
    assert.equal(connection.status, 'open')
    assert.equal(refused, 8)
    for (const socket of strangers) socket.destroy()
  })
})
