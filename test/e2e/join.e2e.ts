import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { signingKeyFromSeed } from '@holdfast/keys'
import { createLibp2pTransport } from '@holdfast/mesh-libp2p'
import { asNodeId, bytesOfHex, JOIN_PROTOCOL, NODE_ID_BYTES, type Clock } from '@holdfast/ports'
import { exitErrorOf, World, type RunResult, type TestNode } from '../src/holdfast.ts'
import { until } from '../src/status.ts'

interface NodeRow {
  readonly node: string
  readonly region: string
}

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

describe('joining a mesh', function () {
  this.timeout(120_000)
  const world = new World('join')
  let a: TestNode
  /** Issued first and tried last, so that its time passes while the other tests run. */
  let shortLived: string
  let expiresAt: number
  after(() => world.close())
  before(async () => {
    a = world.node('a')
    await a.init('--region', 'eu-1')
    await a.up()
    shortLived = await a.invite('--ttl', '10s')
    expiresAt = Date.now() + 10_000
  })
  afterEach('the mesh is as it was, and serves', async () => {
    assert.ok((await a.json<NodeRow[]>('node', 'ls')).some((row) => row.node === 'a'))
  })

  const refused = (result: RunResult, node: TestNode, says: RegExp, exit = 2): void => {
    const error = exitErrorOf(result)
    assert.deepEqual([result.code, error.hf_code], [exit, 'HF_BAD_TOKEN'], JSON.stringify(error))
    assert.match(error.message, says)
    assert.match(error.next ?? '', /holdfast invite/)
    assert.equal(existsSync(`${node.home}/identity`), false, 'no home is left behind')
  }
  const tryJoin = async (node: TestNode, token: string): Promise<RunResult> =>
    await node.run(['join', token, '--listen', '127.0.0.1:0', '--json'])

  it('a token works once', async () => {
    const token = await a.invite('--region', 'us-1')
    const [b, c] = [world.node('b'), world.node('c')]
    await b.join(token)
    refused(await tryJoin(c, token), c, /used/)
    await b.up()
    const rows = await b.json<NodeRow[]>('node', 'ls')
    assert.deepEqual(rows.map((row) => `${row.node} in ${row.region}`).toSorted(), ['a in eu-1', 'b in us-1'])
  })

  it('a token that is no token, or was changed on the way, is refused before anyone is asked', async () => {
    const token = await a.invite()
    const node = world.node('typo')
    refused(await tryJoin(node, 'hf1nonsense'), node, /token/)
    refused(await tryJoin(node, 'not a token at all'), node, /token/)
    const last = token.at(-1) === 'a' ? 'b' : 'a'
    refused(await tryJoin(node, token.slice(0, -1) + last), node, /token/)
    refused(await tryJoin(node, token.slice(0, -8)), node, /token/)
    await node.join(`  ${token}\n`)
    await node.up() // else it would be missing among the voters of the charter
  })

  it('a token of another mesh opens nothing here, even at its inviter’s old address', async () => {
    const other = world.node('other-mesh')
    await other.init()
    const { listen } = await other.up()
    const token = await other.invite()
    await other.down()
    await a.down()
    await a.up('--listen', listen[0] ?? '')
    const node = world.node('foreign')
    const result = await tryJoin(node, token)
    assert.notEqual(result.code, 0)
    assert.match(exitErrorOf(result).hf_code, /^HF_(BAD_TOKEN|PEER_REFUSED|PEER_UNREACHABLE)$/)
    assert.equal(existsSync(`${node.home}/identity`), false)
    assert.equal(
      (await a.json<NodeRow[]>('node', 'ls')).some((row) => row.node === 'foreign'),
      false,
    )
    await a.down()
    await a.up()
  })

  it('an inviter that cannot be reached: exit 24, and the token still works later', async () => {
    const token = await a.invite()
    await a.down()
    const node = world.node('patient')
    const result = await tryJoin(node, token)
    assert.deepEqual([result.code, exitErrorOf(result).hf_code], [24, 'HF_PEER_UNREACHABLE'])
    await a.up()
    await node.join(token)
    await node.up()
  })

  it('the same new node, asking again after its answer was lost, is answered alike', async () => {
    const token = await a.invite()
    const node = world.node('again')
    await node.join(token)
    const result = await tryJoin(node, token)
    assert.equal(exitErrorOf(result).hf_code, 'HF_HOME_EXISTS')
    await node.up()
    await node.ok('node', 'ls')
  })

  it('a stranger with a key of its own is refused before any protocol runs', async () => {
    const [self] = (await a.json<(NodeRow & { id: string; self: boolean })[]>('node', 'ls')).filter((row) => row.self)
    const id = asNodeId(bytesOfHex(self?.id ?? '', NODE_ID_BYTES) ?? new Uint8Array())
    const signingKey = signingKeyFromSeed(new Uint8Array(32).fill(7))
    const stranger = createLibp2pTransport({ signingKey, listen: [], admit: () => 'member', clock })
    await stranger.start()
    await assert.rejects(stranger.connect(id, a.ready.listen), { code: 'HF_PEER_REFUSED' })
    for (const protocol of ['/holdfast/charter/1', JOIN_PROTOCOL]) await assert.rejects(stranger.open(id, protocol))
    await stranger.stop()
  })

  it('a stranger that talks anything else to the port is dropped, and the node serves on', async () => {
    const address = a.ready.listen[0] ?? ''
    const port = Number(address.slice(address.lastIndexOf(':') + 1))
    for (const words of ['GET / HTTP/1.1\r\n\r\n', '\u0000'.repeat(70_000), '/multistream/1.0.0\n']) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined) // a reset is as good an answer as any
      socket.on('connect', () => socket.end(words)).resume()
      await new Promise((resolve) => socket.on('close', resolve))
    }
    await a.ok('status')
  })

  it('a token expires', async () => {
    const late = world.node('late')
    while (Date.now() <= expiresAt) await a.ok('node', 'ls') // the moment has to pass; meanwhile the inviter serves
    refused(await tryJoin(late, shortLived), late, /expired/)
  })
})

describe('a home brought back from a copy that was made before anybody joined', function () {
  this.timeout(120_000)
  const world = new World('forgetful')
  after(() => world.close())

  it('knows nobody and reaches nobody; a token brings it back among the others, and its volume goes on', async () => {
    const [a, b] = [world.node('a'), world.node('b')]
    const data = world.path('data')
    mkdirSync(data)
    writeFileSync(`${data}/file`, 'before\n')
    await a.init()
    const copy = world.path('copy')
    cpSync(a.home, copy, { recursive: true, preserveTimestamps: true })
    await a.up()
    await b.join(await a.invite())
    await b.up()
    await a.ok('protect', data)
    await a.ok('flush')
    await a.crash()
    for (const name of readdirSync(a.home)) rmSync(`${a.home}/${name}`, { recursive: true })
    cpSync(copy, a.home, { recursive: true, preserveTimestamps: true })
    await a.up()
    assert.equal((await a.json<NodeRow[]>('node', 'ls')).length, 1, 'it believes to be alone')
    await until(
      'b says why it does not reach a, and what to do',
      async () => (await b.json<{ reason?: string }[]>('peers'))[0]?.reason ?? '',
      (reason) => /holdfast join TOKEN there/.test(reason),
    )
    const running = await a.run(['join', await b.invite(), '--json'])
    assert.deepEqual([running.code, exitErrorOf(running).hf_code], [11, 'HF_HOME_IN_USE'])
    await a.down()
    const joined = await a.ok('join', await b.invite())
    assert.match(joined.stdout, /was in mesh .* already and knows its charter again/)
    await a.up()
    writeFileSync(`${data}/file`, 'after\n')
    await a.ok('protect', data)
    await a.ok('flush')
    assert.equal((await b.ok('cat', 'data:file')).stdout, 'after\n')
    const versions = await b.json<{ size: number }[]>('log', 'data:file')
    assert.deepEqual(
      versions.map(({ size }) => size),
      [6, 7],
      'what was acknowledged before is in the history',
    )
  })
})
