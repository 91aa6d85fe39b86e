import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expectExit, holdfast, World, type RunResult, type TestNode } from '../src/holdfast.ts'
import { volumeStatus } from '../src/status.ts'
import { manifestOf, assertSameTree } from '../src/tree.ts'

/** The homes are named by the environment and every command is written as the guide prints it; only the listening address is picked
 *  by the system, and the drill is left out. */
describe('the first five minutes, on three separate homes', function () {
  this.timeout(120_000)
  const world = new World('five-minutes')
  after(() => world.close())

  const on = async (node: TestNode, ...args: readonly string[]): Promise<RunResult> =>
    expectExit(await holdfast(args, { env: { HOLDFAST_HOME: node.home }, cwd: world.directory }), 0)

  it('protects a directory, joins two more servers, and gives an old version back on another', async () => {
    const [a, b, c] = [world.node('a'), world.node('b'), world.node('c')]
    const data = world.path('srv', 'data')
    mkdirSync(`${data}/sub`, { recursive: true })
    writeFileSync(`${data}/report.txt`, 'first\n')
    writeFileSync(`${data}/sub/other`, 'other\n')

    const init = await on(a, 'init', '--region', 'eu-1', '--listen', '127.0.0.1:0')
    assert.match(init.stdout + init.stderr, /operator key/i, 'the recovery sheet is printed once')
    await a.up()
    await on(a, 'protect', data)
    const token = await on(a, 'invite', '--region', 'us-1')
    assert.match(token.stdout, /^hf1\S+\n$/, 'the token alone is on standard output')
    writeFileSync(world.path('token'), token.stdout)
    await on(b, 'join', '@token', '--drive', world.path('mnt', 'd1'), '--listen', '127.0.0.1:0')
    // As printed: nobody waits for B before A is asked whether everything is safe.
    const starting = b.up()
    assert.match((await on(a, 'flush')).stdout, /^data: quorum at seq \d+, acknowledged by \S+, \S+$/m)
    await starting
    writeFileSync(world.path('token2'), (await on(a, 'invite', '--region', 'ap-1')).stdout)
    await on(c, 'join', '@token2', '--listen', '127.0.0.1:0')
    await c.up()
    await on(a, 'flush')

    const status = await on(a, 'status')
    assert.ok(status.stdout.trimEnd().split('\n').length <= 24, `status fits 24 lines:\n${status.stdout}`)
    const volume = await volumeStatus(a, 'data')
    assert.equal(volume.role, 'primary')
    assert.equal(volume.files, 2)
    assert.equal(volume.degraded, false)
    assert.deepEqual(volume.members.map((member) => member.region).toSorted(), ['ap-1', 'eu-1', 'us-1'])
    assert.equal((await volumeStatus(b, 'data')).role, 'full')

    appendFileSync(`${data}/report.txt`, 'changed\n')
    await on(a, 'flush')
    const restored = world.path('r')
    const restore = await on(b, 'restore', 'data:report.txt', '--to', restored, '--at', '1m ago')
    assert.match(restore.stderr, /earliest/i, 'a time before the first capture means the earliest version, and says so')
    assert.equal(readFileSync(`${restored}/report.txt`, 'utf8'), 'first\n')
    assert.equal((await on(c, 'cat', 'data:report.txt')).stdout, 'first\nchanged\n')

    const whole = world.path('whole')
    await on(c, 'restore', 'data', '--to', whole)
    assertSameTree(manifestOf(data), manifestOf(whole))
  })
})
