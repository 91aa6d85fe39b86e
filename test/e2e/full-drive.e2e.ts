/** A node whose home and drive are on a small file system of their own, which becomes full and has room again. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exitErrorOf, jsonOf, loopMountsImpossible, TestNode, World, type RunResult } from '../src/holdfast.ts'
import { seeded } from '../src/seeded.ts'
import { until, untilComplete, volumeStatus, type Status } from '../src/status.ts'
import { assertSameTree, manifestOf } from '../src/tree.ts'

const MIB = 1024 * 1024
const IMAGE_BYTES = 288 * MIB
/** What a node of a small file system keeps free: content stops there, the journal at half of it. */
const RESERVE_BYTES = 128 * MIB

describe('a drive that becomes full', function () {
  this.timeout(120_000)
  const impossible = loopMountsImpossible()
  if (impossible !== undefined) {
    it.skip(`is told, loses nothing, and goes on when there is room (${impossible})`)
    return
  }
  const world = new World('full-drive')
  const random = seeded('full-drive')
  const [data, other, disk] = [world.path('data'), world.path('other'), world.path('disk')]
  const a = new TestNode('a', join(disk, 'home'))
  const b = world.node('b')

  before(() => {
    const image = world.path('image')
    execFileSync('truncate', ['-s', String(IMAGE_BYTES), image])
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image])
    for (const directory of [data, other, disk]) mkdirSync(directory)
    execFileSync('mount', ['-o', 'loop', image, disk])
  })
  after(async () => {
    await a.crash()
    execFileSync('umount', [disk])
    await world.close()
  })

  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(disk)
    return bavail * bsize
  }
  /** Somebody else takes room, until so much is left. */
  const leave = (bytes: number, name: string): void =>
    writeFileSync(join(disk, name), Buffer.alloc(Math.max(0, freeBytes() - bytes), 1))
  const isFull = async (): Promise<boolean> => {
    const status = jsonOf<Status & { node: { drives: { state: string }[] } }>(await a.run(['status', '--json']))
    return status.node.drives.some(({ state }) => state === 'full')
  }
  const saysFull = (result: RunResult): void => {
    assert.equal(result.code, 1, result.stderr)
    const { hf_code, message, next } = exitErrorOf(result)
    assert.equal(hf_code, 'HF_DRIVE_FULL', result.stderr)
    assert.match(message, /full/)
    assert.match(next ?? '', /make room/)
  }

  it('is told, loses nothing, lets others go on, and goes on by itself when there is room; so after a restart', async () => {
    await a.init('--region', 'eu-1')
    await a.up()
    await b.join(await a.invite('--region', 'us-1'))
    await b.up()
    writeFileSync(join(data, 'first'), random.bytes(MIB))
    writeFileSync(join(other, 'first'), random.bytes(MIB))
    await a.ok('protect', data)
    await b.ok('protect', other)
    await a.ok('flush')
    await b.ok('flush')

    // Content stops at the reserve, in the middle of a capture.
    leave(RESERVE_BYTES + 8 * MIB, 'ballast')
    for (let index = 0; index < 3; index++) writeFileSync(join(data, `large-${index}`), random.bytes(8 * MIB))
    saysFull(await a.run(['flush', '--json']))
    assert.ok(await isFull())
    const { warnings } = (await volumeStatus(a, 'data')) as unknown as { warnings: string[] }
    assert.ok(
      warnings.some((warning) => /is full.*make room/.test(warning)),
      warnings.join('\n'),
    )
    assert.match(a.said(), /is full/)
    assert.ok(freeBytes() > RESERVE_BYTES / 2)

    // The other node captures, and this one takes its journal without the content.
    writeFileSync(join(other, 'second'), random.bytes(MIB))
    await b.ok('flush', 'other', '--level', 'local')
    const seen = await until(
      'a follows the journal without content',
      () => volumeStatus(b, 'other'),
      ({ members }) => {
        const [own, member] = [members.find(({ node }) => node === 'b'), members.find(({ node }) => node === 'a')]
        return own !== undefined && member?.acceptedLength === own.acceptedLength
      },
    )
    const member = seen.members.find(({ node }) => node === 'a')
    assert.ok(member !== undefined && member.completeLength < member.acceptedLength)

    // Somebody fills the rest: not even a deletion can be recorded.
    leave(RESERVE_BYTES / 4, 'more')
    rmSync(join(data, 'first'))
    saysFull(await a.run(['flush', '--json']))
    assert.equal((await a.run(['cat', 'data:first'])).code, 0, 'what was acknowledged is served')

    rmSync(join(disk, 'more'))
    rmSync(join(disk, 'ballast'))
    await until('there is room', isFull, (full) => !full)
    await a.ok('flush')
    await untilComplete(b, 'other', 2)
    await untilComplete(a, 'data', 2)

    const tree = manifestOf(data)
    await a.crash()
    await a.up()
    await a.ok('verify', '--read-data')
    for (const node of [a, b]) {
      const to = world.path(`restored-${node.name}`)
      await node.ok('restore', 'data', '--to', to)
      assertSameTree(tree, manifestOf(to))
    }
  })
})
