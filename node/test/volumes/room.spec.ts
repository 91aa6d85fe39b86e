import assert from 'node:assert/strict'
import { createManualClock } from '@holdfast/doubles'
import { GIB, HoldfastError, MIB } from '@holdfast/ports'
import { reserveBytesOf } from '@holdfast/store-pack'
import { Room, roomAt, ROOM_LOOK_MS, ROOM_RETRY_MS, type RoomState } from '../../src/volumes/room.ts'

const TOTAL = 100 * GIB
const RESERVE = reserveBytesOf(TOTAL)

class World {
  readonly clock = createManualClock()
  drive = TOTAL
  home = TOTAL
  readonly room = new Room({
    places: [
      { name: 'the drive', space: () => ({ freeBytes: this.drive, totalBytes: TOTAL }) },
      { name: 'the home', space: () => this.homeSpace() },
    ],
    clock: this.clock,
  })
  readonly told: RoomState[] = []

  constructor() {
    this.room.onChange((state) => this.told.push(state))
  }

  homeSpace(): { freeBytes: number; totalBytes: number } {
    return { freeBytes: this.home, totalBytes: TOTAL }
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('Room', () => {
  it('keeps 2 % of a file system free, at least 128 MiB, at most 10 GiB', () => {
    const sizes = [GIB, 6.25 * GIB, 100 * GIB, 10_000 * GIB].map((total) => Math.round(reserveBytesOf(total) / MIB))
    assert.deepEqual(sizes, [128, 128, 2048, 10_240])
  })

  it('content stops at the reserve, the journal at half of it; both go on with some room to spare', () => {
    const seen: [RoomState, number, RoomState][] = [
      ['enough', 1, 'enough'],
      ['enough', 0.999, 'low'],
      ['low', 1.2, 'low'],
      ['low', 1.25, 'enough'],
      ['low', 0.499, 'none'],
      ['none', 0.7, 'none'],
      ['none', 0.75, 'low'],
      ['none', 1.25, 'enough'],
    ]
    for (const [before, ratio, after] of seen)
      assert.equal(roomAt(before, ratio * RESERVE, TOTAL), after, `${before} at ${ratio}`)
  })

  it('is as full as its fullest file system, says which that is, and tells each change once', async () => {
    const world = new World()
    world.room.start()
    assert.equal(world.room.state, 'enough')
    world.home = 0.9 * RESERVE
    world.drive = 0.1 * RESERVE
    await world.clock.advance(ROOM_LOOK_MS)
    assert.equal(world.room.state, 'none')
    assert.match(world.room.problem?.message ?? '', /^the drive is full: 204 MiB are free/)
    assert.match(world.room.problem?.next ?? '', /goes on by itself/)
    world.drive = TOTAL
    await world.clock.advance(ROOM_LOOK_MS)
    assert.match(world.room.problem?.message ?? '', /^the home is full/)
    world.home = TOTAL
    await world.clock.advance(3 * ROOM_LOOK_MS)
    assert.deepEqual(world.told, ['none', 'low', 'enough'])
    world.room.stop()
    assert.equal(world.clock.timerCount(), 0)
  })

  it('a refused write counts for a while, also where measuring shows room: a quota', async () => {
    const world = new World()
    world.room.start()
    const error = new HoldfastError('HF_DRIVE_FULL', 'EDQUOT')
    world.room.refused(error)
    assert.equal(world.room.problem, error)
    let goesOn = false
    const waiting = world.room.untilJournal(new AbortController().signal).then(() => (goesOn = true))
    await world.clock.advance(ROOM_RETRY_MS - 1)
    await settle()
    assert.equal(goesOn, false)
    await world.clock.advance(ROOM_LOOK_MS)
    await waiting
    assert.equal(world.room.state, 'enough')
    world.room.stop()
  })

  it('refused content stops no journal', async () => {
    const world = new World()
    world.room.start()
    world.room.refused(new HoldfastError('HF_DRIVE_FULL', 'no room for 8 MiB'), 'low')
    await world.room.untilJournal(new AbortController().signal)
    await world.clock.advance(ROOM_RETRY_MS)
    assert.deepEqual(world.told, ['low', 'enough'])
    world.room.stop()
  })

  it('looks before it lets the journal go on, and a wait can be given up', async () => {
    const world = new World()
    const controller = new AbortController()
    await world.room.untilJournal(controller.signal)
    world.drive = 0
    const waiting = world.room.untilJournal(controller.signal)
    await settle()
    controller.abort()
    await assert.rejects(waiting, { code: 'HF_ABORTED' })
    assert.deepEqual(world.told, ['none'])
  })

  it('a file system that cannot be measured stays as it was', async () => {
    const world = new World()
    world.home = 0
    world.room.start()
    world.homeSpace = () => {
      throw new HoldfastError('HF_DRIVE_FAILED', 'gone')
    }
    await world.clock.advance(ROOM_LOOK_MS)
    assert.equal(world.room.state, 'none')
    assert.match(world.room.problem?.message ?? '', /^the home is full/)
    world.room.stop()
  })
})
