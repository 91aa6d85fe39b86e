import { strict as assert } from 'node:assert'
import { statOfBig } from '@holdfast/capture'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '@holdfast/ports'
import { Committer } from '../../src/capture/committer.ts'
import { AHEAD_MS, RACY_MS, YOUNG_MS } from '../../src/capture/limits.ts'
import type { TreeNote, VolumeLink } from '../../src/capture/volume-link.ts'
import type { Draft } from '../../src/ingest/types.ts'
import { bytes, memoryStatStore } from './support.ts'

const READ_MS = 1_700_000_000_000
const NS_PER_MS = 1_000_000n

/** A file with these times, read at `READ_MS`. */
function draftOf(mtimeMs: number, ctimeMs = mtimeMs): Draft {
  const [mtimeNs, ctimeNs] = [BigInt(mtimeMs) * NS_PER_MS, BigInt(ctimeMs) * NS_PER_MS]
  const stat = statOfBig({ dev: 1n, ino: 2n, size: 3n, mtimeNs, ctimeNs, mode: 0o100644n, uid: 0n, gid: 0n, nlink: 1n })
  const { mode, uid, gid, size } = stat
  return {
    path: bytes('file'),
    type: 'file',
    torn: false,
    refs: [],
    needs: [],
    extents: [],
    mode,
    uid,
    gid,
    mtimeNs,
    size,
    stat,
  }
}

/** What is noted of the draft in the walker's tree. */
async function noteOf(draft: Draft): Promise<TreeNote | undefined> {
  const notes: TreeNote[] = []
  const link = { note: (list: readonly TreeNote[]) => void notes.push(...list), reach: () => Promise.resolve() }
  const committer = new Committer({
    sink: { commit: () => Promise.resolve({ lastSeq: 1 }) },
    stats: memoryStatStore(),
    link: link as Partial<VolumeLink> as VolumeLink,
    complete: true,
  })
  const change = {
    key: 'file',
    path: draft.path,
    deleted: false,
    size: 3,
    known: false,
    words: undefined,
    generation: 0,
  }
  await committer.put({ worker: 0, group: 1, drafts: [draft], entries: [] }, [{ change, draft }], READ_MS)
  return notes[0]
}

describe('whether a status proves what a file holds', () => {
  const cases: [string, Draft, { racy: boolean; young: boolean }][] = [
    ['not right after the change', draftOf(READ_MS), { racy: true, young: true }],
    ['not while a tick of a coarse clock may still go on', draftOf(READ_MS - RACY_MS), { racy: true, young: true }],
    ['after that, but for memory maps', draftOf(READ_MS - RACY_MS - 1), { racy: false, young: true }],
    [
      'for memory maps, too, once their pages were written',
      draftOf(READ_MS - YOUNG_MS - 1),
      { racy: false, young: false },
    ],
    ['not when only the change time is young', draftOf(READ_MS - DAY_MS, READ_MS), { racy: true, young: false }],
    ['not when the clock was set back by a minute since', draftOf(READ_MS + MINUTE_MS), { racy: true, young: true }],
    ['not when the clock was set back by an hour since', draftOf(READ_MS + HOUR_MS), { racy: true, young: true }],
    [
      'when the times are far ahead: they will not come again',
      draftOf(READ_MS + AHEAD_MS + SECOND_MS),
      { racy: false, young: false },
    ],
    [
      'when a time far ahead was set by hand long ago',
      draftOf(READ_MS + 365 * DAY_MS, READ_MS - DAY_MS),
      { racy: false, young: false },
    ],
    ['when the clock was set ahead by a year since', draftOf(READ_MS - 365 * DAY_MS), { racy: false, young: false }],
  ]
  for (const [what, draft, expected] of cases)
    it(what, async () => {
      const note = await noteOf(draft)
      assert.deepEqual({ racy: note?.racy, young: note?.young }, expected)
    })
})
