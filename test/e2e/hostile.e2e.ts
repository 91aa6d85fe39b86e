import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync, mkdirSync } from 'node:fs'
import { asCoreKey, asVolumeId, hasCode, MIB } from '@holdfast/ports'
import {
  CALL_PROTOCOL,
  CHARTER_PROTOCOL,
  CHUNKS_PROTOCOL,
  CONTROL_PROTOCOL,
  encodeCall,
  encodeJournalRequest,
  JOURNAL_PROTOCOL,
} from '@holdfast/replication'
import { World, type TestNode } from '../src/holdfast.ts'
import { Rogue } from '../src/rogue.ts'
import { resetRssPeak, rssBytesOf, rssBytesPeakOf } from '../src/usage.ts'

const PROTOCOLS = [CONTROL_PROTOCOL, CHARTER_PROTOCOL, JOURNAL_PROTOCOL, CHUNKS_PROTOCOL, CALL_PROTOCOL]
/** What a node may take in addition while it is attacked, bytes: far less than what is thrown at it. */
const GROWTH_BYTES_MAX = 160 * MIB

interface PeerRow {
  readonly node: string
  readonly state: string
  readonly blamed?: Readonly<Record<string, number>>
}

/** One member of three is hostile, and strangers knock: the two others go on. Attacks build on each other, the refused ones last. */
describe('a hostile member and strangers', function () {
  this.timeout(90_000)
  const world = new World('hostile')
  let a: TestNode
  let rogue: Rogue
  let directory: string
  let edits = 0
  after(async () => {
    await rogue.transport.stop()
    await world.close()
  })
  before(async () => {
    const nodes = await world.mesh('a', 'b')
    assert.ok(nodes[0])
    a = nodes[0]
    directory = world.path('data')
    mkdirSync(directory)
    writeFileSync(`${directory}/first`, randomBytes(100_000))
    await a.ok('protect', directory, '--name', 'data')
    await a.ok('flush', 'data')
    rogue = await Rogue.join(await a.invite('--region', 'ap-1'), 'rogue')
    resetRssPeak(a.pid)
  })
  /** A change is safe on both honest nodes, and memory has stayed within its bound. */
  afterEach('everyone else goes on', async () => {
    writeFileSync(`${directory}/edit-${edits++}`, randomBytes(50_000))
    await a.ok('flush', 'data', '--level', 'quorum')
    const grown = rssBytesPeakOf(a.pid) - start
    assert.ok(grown < GROWTH_BYTES_MAX, `${Math.round(grown / MIB)} MiB more memory`)
  })
  let start = 0
  beforeEach(() => {
    if (start === 0) start = rssBytesOf(a.pid)
  })

  it('strangers: silent, endless and garbage sockets', async () => {
    const sockets = rogue.strangers(120)
    const noise = randomBytes(64 * 1024)
    for (const [index, socket] of sockets.entries()) {
      if (index % 3 === 0) continue
      const pour = (): void => {
        if (!socket.destroyed && socket.bytesWritten < 2 * MIB) socket.write(noise, () => setImmediate(pour))
      }
      socket.once('connect', pour)
    }
    const talkers = sockets.filter((_, index) => index % 3 !== 0)
    await Promise.all(talkers.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
    await rogue.connect()
    for (const socket of sockets) socket.destroy()
  })

  it('a thousand streams', async () => {
    await rogue.connect()
    const opened = await Promise.allSettled(
      Array.from({ length: 1_000 }, (_, index) =>
        rogue.transport.open(rogue.target, PROTOCOLS[index % PROTOCOLS.length] ?? ''),
      ),
    )
    for (const stream of opened) if (stream.status === 'fulfilled') stream.value.abort()
  })

  it('requests without end whose answers are not read', async () => {
    const volume = asVolumeId(randomBytes(16))
    const coreKey = asCoreKey(randomBytes(32))
    const subscribe = (subscription: number): Uint8Array =>
      encodeJournalRequest({ type: 'subscribe', volume, subscription, coreKey, from: 0 })
    const call = (id: number): Uint8Array =>
      encodeCall({ type: 'request', id, method: 'no such method', body: new Uint8Array(1_000) })
    const counts = await Promise.all([
      rogue.flood(JOURNAL_PROTOCOL, subscribe, 30_000, 500),
      rogue.flood(CALL_PROTOCOL, call, 30_000, 500),
    ])
    assert.ok(
      counts.every((count) => count < 30_000),
      `${counts.join(' and ')} were taken`,
    )
  })

  it('charters without end, all refused', async () => {
    const bundle = Buffer.concat([Buffer.of(1), randomBytes(1_000_000)])
    await rogue.flood(CHARTER_PROTOCOL, () => bundle, 40, 1_000)
  })

  it('connections again and again', async () => {
    for (let i = 0; i < 20; i++) {
      await rogue.connect().catch(() => {})
      await rogue.transport.disconnect(rogue.target)
    }
  })

  it('garbage on every protocol: blamed, set aside, told in the log with a code', async () => {
    for (let round = 0; round < 12; round++) {
      const protocol = PROTOCOLS[round % PROTOCOLS.length] ?? ''
      try {
        const stream = await rogue.open(protocol)
        await stream.send(randomBytes(1 + round * 5_000), { signal: AbortSignal.timeout(2_000) })
        await stream.receive({ signal: AbortSignal.timeout(2_000) })
      } catch (error) {
        if (hasCode(error, 'HF_PEER_REFUSED')) break
      }
    }
    const row = (await a.json<PeerRow[]>('peers')).find(({ node }) => node === 'rogue')
    assert.equal(row?.state, 'set-aside')
    assert.ok((row.blamed?.['protocol'] ?? 0) >= 3 && (row.blamed?.['charter'] ?? 0) >= 1, JSON.stringify(row))
    await assert.rejects(rogue.connect(), { code: 'HF_PEER_REFUSED' })
    assert.match((await a.run(['status'])).stdout, /rogue \(ap-1\) set-aside, sent something wrong \d+ times/)
    const told = a
      .said()
      .split('\n')
      .filter((line) => line.includes('"code":"HF_PEER_PROTOCOL"'))
    assert.ok(told.length >= 3 && told.length < 100, `${told.length} lines`)
    assert.ok(a.said().length < MIB, 'the log is not flooded')
  })
})
