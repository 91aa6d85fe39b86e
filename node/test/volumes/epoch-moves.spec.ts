/** How volumes go from epoch to epoch, with real members and votes, when what must be stored cannot be at first. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createManualClock, createMemoryDrive } from '@holdfast/doubles'
import type { EpochRecord } from '@holdfast/failover'
import { createMemoryJournalStore } from '@holdfast/journal'
import { signRaw } from '@holdfast/keys'
import { hexOf, HoldfastError } from '@holdfast/ports'
import type { CoreKey, JournalFrame } from '@holdfast/ports'
import { openPackStore } from '@holdfast/store-pack'
import { pino } from 'pino'
import { claimOf, copyKey, epochOf, gatherVotes } from '../../src/epochs/index.ts'
import type { MemberHead } from '../../src/replication/index.ts'
import { CLAIM_INTERVAL_MS } from '../../src/volumes/doubt.ts'
import { EpochMoves, PENDING_AFTER_MS, type EpochMovesParts } from '../../src/volumes/epoch-moves.ts'
import type { Running } from '../../src/volumes/running.ts'
import { block, CHARTER_HASH, Mesh, VOLUME, type Member } from '../epochs/fixture.ts'

const FULL = new HoldfastError('HF_DRIVE_FULL', 'no room')

describe('moves between epochs', () => {
  const clock = createManualClock()
  let mesh: Mesh
  let members: { a: Member; b: Member; c: Member }
  /** What happened, in order. */
  let story: string[]
  beforeEach(async () => {
    story = []
    mesh = new Mesh('a', 'b', 'c')
    const [a, b, c] = mesh.members
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    members = { a, b, c }
    for (const member of mesh.members) await member.open()
    await a.begin(a.volume.records[0] ?? assert.fail())
    for (const seq of [1, 2]) await a.write(block(seq))
    for (const member of [b, c]) while (member.volume.log.head().length < 3) await member.fetchFrom(a)
  })
  afterEach(() => mesh.close())

  const runningOf = ({ volume }: Member): Running => ({
    volume,
    startLength: volume.log.head().length,
    writer: undefined,
    capture: undefined,
    pending: undefined,
    pendingJournals: [],
    warnings: [],
    branches: [],
    doubt: undefined,
    failure: undefined,
    moving: false,
  })

  /** The moves of one member, whose epochs begin in `story`. */
  function movesOf(member: Member, change: Partial<Record<keyof EpochMovesParts, unknown>> = {}): EpochMoves {
    const tell = (what: string) => () => {
      story.push(what)
      return Promise.resolve()
    }
    return new EpochMoves({
      self: member.id,
      home: { scratchDirectory: join(tmpdir(), 'holdfast-no-such-scratch') },
      authority: { state: { head: () => ({ hash: CHARTER_HASH }) }, nameOf: () => 'a member' },
      epochs: member.service,
      records: member.records,
      replication: { heads: (): readonly MemberHead[] => [], peers: () => [] },
      store: member.store,
      openJournals: () => Promise.resolve(createMemoryJournalStore()),
      clock,
      log: pino({ level: 'silent' }),
      learned: new Map(),
      isOpen: () => !story.some((what) => what.startsWith('in epoch')),
      reopen: tell('opened anew'),
      begin: (_running: Running, record: EpochRecord) => {
        story.push(`in epoch ${record.claim.epoch}`)
        return Promise.resolve()
      },
      rebuild: tell('rebuilt'),
      endWork: tell('capture ended'),
      beginPending: tell('pending'),
      ...change,
    } as unknown as EpochMovesParts)
  }

  const writerThat = (story_: string[]) => ({ leave: () => story_.push('writer left') }) as unknown as Running['writer']

  it('no room to note the doubt: nothing is signed any more all the same, and the next epoch comes once there is', async () => {
    const { a } = members
    const running = { ...runningOf(a), writer: writerThat(story) }
    let refusals = 2
    const records = {
      of: () => a.records.of(VOLUME),
      doubt: () => {
        if (refusals-- > 0) throw FULL
        story.push('doubt noted')
        a.records.doubt(VOLUME, 1)
      },
    }
    const done = movesOf(a, { records }).resolveDoubt(running, 'a test')
    await clock.advance(PENDING_AFTER_MS + 3 * CLAIM_INTERVAL_MS)
    await done
    assert.deepEqual(story, ['writer left', 'capture ended', 'doubt noted', 'in epoch 2'])
  })

  it('the first block of the certified epoch finds no room: it is tried again, with the same votes', async () => {
    const { a } = members
    let refusals = 1
    const begin = (_running: Running, record: EpochRecord): Promise<void> => {
      if (refusals-- > 0) return Promise.reject(FULL)
      story.push(`in epoch ${record.claim.epoch}`)
      return Promise.resolve()
    }
    const done = movesOf(a, { begin }).resolveDoubt(runningOf(a), 'a test')
    await clock.advance(PENDING_AFTER_MS + CLAIM_INTERVAL_MS)
    await done
    assert.deepEqual(story, ['capture ended', 'in epoch 2'])
  })

  it('voters out of reach: a pending journal begins after a while, and is tried again when it cannot', async () => {
    const { a, b, c } = members
    b.up = c.up = false
    let refusals = 1
    const beginPending = (): Promise<void> => {
      story.push('pending')
      return refusals-- > 0 ? Promise.reject(FULL) : Promise.resolve()
    }
    const done = movesOf(a, { beginPending }).resolveDoubt(runningOf(a), 'a test')
    await clock.advance(PENDING_AFTER_MS - 1)
    assert.deepEqual(story, ['capture ended'])
    await clock.advance(2 * PENDING_AFTER_MS)
    assert.deepEqual(story, ['capture ended', 'pending', 'capture ended', 'pending'])
    b.up = c.up = true
    await clock.advance(CLAIM_INTERVAL_MS)
    await done
    assert.equal(story.at(-1), 'in epoch 2')
  })

  it('a copy that fails at once is tried again after a pause, not in a loop', async () => {
    const { a, b } = members
    const other: MemberHead = { ...headOf(b), treeHash: new Uint8Array(32).fill(1) }
    const running = runningOf(a)
    let isOpen = true
    const scratches: number[] = []
    const openJournals = () => {
      scratches.push(clock.monotonicMs())
      return Promise.reject(FULL)
    }
    const replication = { heads: () => [other], peers: () => [] }
    const done = movesOf(a, { replication, openJournals, isOpen: () => isOpen }).resolveDoubt(running, 'a test')
    await clock.advance(3 * CLAIM_INTERVAL_MS)
    isOpen = false
    await clock.advance(PENDING_AFTER_MS)
    await done
    assert.ok(scratches.length >= 2 && scratches.length <= 5, `${scratches.length} tries`)
  })

  it('epochs that do not follow from what this node holds are learnt once, said, and bring nothing else', async () => {
    const { a, b } = members
    const record = (await certified(a)) ?? assert.fail()
    const learned = new Map<string, readonly EpochRecord[]>()
    const epochs = { newerEpochs: () => Promise.resolve([record]) }
    const moves = movesOf(b, { learned, epochs, isOpen: () => true })
    const running = runningOf(b)
    const head = { ...headOf(a), member: a.id, epoch: 2 }
    for (let heartbeat = 0; heartbeat < 4; heartbeat++) await moves.onHead(running, head)
    assert.deepEqual(story, ['opened anew'])
    assert.equal(learned.get(hexOf(VOLUME))?.length, 1)
    assert.equal(running.warnings.filter((warning) => /does not follow/.test(warning)).length, 1)
  })

  it('a member whose log is on a wrong branch copies the one that counts, and goes on to the next epoch', async () => {
    const { a, c } = members
    const record = (await certified(a)) ?? assert.fail()
    const { coreKey } = a.volume
    await onBranch(c)
    await a.begin(record)
    await c.open([record])
    assert.equal(c.volume.epoch, 1, 'it has as many blocks, but others')
    assert.equal(c.volume.log.head().length, 3)
    const scratch = join(mkdtempSync(join(tmpdir(), 'holdfast-moves-')), 'scratch')
    const replication = { heads: () => [{ ...headOf(a), member: a.id }], peers: () => [] }
    const moved = new Promise<void>((resolve) => {
      const rebuild = async (): Promise<void> => {
        await c.open([record])
        resolve()
      }
      const running = runningOf(c)
      movesOf(c, { replication, rebuild, home: { scratchDirectory: scratch } }).moveOn(running)
    })
    await moved
    assert.equal(c.volume.epoch, 2)
    assert.deepEqual(
      c.volume.earlier.map(({ storedKey, length }) => [hexOf(storedKey), length]),
      [[hexOf(copyKey(coreKey, 1)), 3]],
    )
    const own = c.store.journals().find((run) => hexOf(run.coreKey) === hexOf(coreKey))
    assert.equal(own?.length, 3, 'its own blocks stay')
    assert.ok(!existsSync(scratch), 'nothing is left behind')
    rmSync(join(scratch, '..'), { recursive: true })
  })

  const headOf = ({ id, volume }: Member): MemberHead => ({
    member: id,
    volume: VOLUME,
    epoch: volume.epoch,
    coreKey: volume.coreKey,
    receivedAtMs: 0,
    ...volume.log.head(),
  })

  async function certified({ service, volume, id, records }: Member): Promise<EpochRecord | undefined> {
    const claim = claimOf(volume, id, CHARTER_HASH, records.of(VOLUME), [])
    return (await gatherVotes(service, volume, claim)).record
  }

  /** The member's drive has another block 2, which the writer signed as well. */
  async function onBranch(member: Member): Promise<void> {
    const { a } = members
    const log = await createMemoryJournalStore().open(epochOf(a.volume.records[0] ?? assert.fail()).identity)
    const frames: JournalFrame[] = []
    for await (const frame of a.store.journalFrames(a.volume.storedKey, 0)) if (frame.start < 2) frames.push(frame)
    for (const frame of frames) await log.append(frame)
    const blocks = block(9)
    const proposal = log.propose(blocks)
    const signature = signRaw(a.key, proposal.signable)
    frames.push({ coreKey: log.coreKey as CoreKey, start: proposal.start, blocks, signature })
    member.drive = createMemoryDrive()
    const store = await openPackStore({ drive: member.drive, index: await mesh.newLevel() })
    for (const frame of frames) await store.commit(VOLUME, [], frame)
    await store.close()
  }
})
