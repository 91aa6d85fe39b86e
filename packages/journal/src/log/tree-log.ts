import type { JournalLog, LogIdentity } from '@holdfast/ports'
import { coreKeyOf } from './hypercore-internals.ts'
import { NO_PEAKS } from './peaks.ts'
import type { BlockStorage } from './signed-log.ts'
import { SignedLog } from './signed-log.ts'

/** A log that can be written and checked, and not read. */
export type TreeLog = Pick<JournalLog, 'coreKey' | 'identity' | 'head' | 'propose' | 'verify' | 'append'>

/** A log that keeps the peaks of its tree and no block, with the rules of every other: for what is read from the packs alone. Empty
 *  at first; feed it the frames that are stored. Memory: some 100 bytes for each doubling of its length. */
export function createTreeLog(identity: LogIdentity): TreeLog {
  return new SignedLog(coreKeyOf(identity), identity, NO_PEAKS, NO_STORAGE, () => undefined)
}

const notKept = (): never => {
  throw new TypeError('a tree log keeps no blocks')
}
const NO_STORAGE: BlockStorage = {
  append: () => Promise.resolve(),
  get: notKept,
  treeHashAt: notKept,
  close: () => Promise.resolve(),
}
