/**
 * Logs in memory, with the tree hashes, signatures and refusals of the real ones: for simulations and tests. A disk
 * outlives the stores opened on it, and can lose what was not flushed, as the real one does when the power goes.
 */
import type { JournalStore, LogIdentity } from '@holdfast/ports'
import { hexOf } from '@holdfast/ports'
import type { TreeNode } from 'hypercore'
import { coreKeyOf } from './hypercore-internals.ts'
import { createLogStore } from './log-store.ts'
import type { Peaks } from './peaks.ts'
import { appendToPeaks, NO_PEAKS, peakIndexes, treeHashOf } from './peaks.ts'
import type { BlockStorage } from './signed-log.ts'

/** What memory stores write to. */
export interface MemoryJournalDisk {
  /** Every log loses what was appended after the last `flush` of a store. Stores open at that moment must not be used again. */
  losePower(): void
}

interface StoredLog {
  /** Blocks, and for each append the number of them after it. */
  blocks: Uint8Array[]
  flushedLength: number
}

class MemoryDisk implements MemoryJournalDisk {
  readonly logs = new Map<string, StoredLog>()

  losePower(): void {
    for (const log of this.logs.values()) log.blocks = log.blocks.slice(0, log.flushedLength)
  }

  flush(): void {
    for (const log of this.logs.values()) log.flushedLength = log.blocks.length
  }

  logOf(name: string): StoredLog {
    const log = this.logs.get(name) ?? { blocks: [], flushedLength: 0 }
    this.logs.set(name, log)
    return log
  }
}

export function createMemoryJournalDisk(): MemoryJournalDisk {
  return new MemoryDisk()
}

/** A store on `disk`, by default on one of its own. @throws TypeError if the disk was not made by `createMemoryJournalDisk` */
export function createMemoryJournalStore(disk: MemoryJournalDisk = createMemoryJournalDisk()): JournalStore {
  if (!(disk instanceof MemoryDisk)) throw new TypeError('the disk is not one of createMemoryJournalDisk')
  return createLogStore({
    open: async (identity) => openMemoryLog(disk, identity),
    flush: async () => disk.flush(),
    close: async () => undefined,
  })
}

function openMemoryLog(disk: MemoryDisk, identity: LogIdentity): { storage: BlockStorage; peaks: Peaks } {
  const log = disk.logOf(hexOf(coreKeyOf(identity)))
  const nodes = new Map<number, TreeNode>()
  const keep = (node: TreeNode): void => void nodes.set(node.index, node)
  const opened = appendToPeaks(NO_PEAKS, log.blocks, keep)
  let peaks = opened
  const storage: BlockStorage = {
    append: async (blocks) => {
      peaks = appendToPeaks(peaks, blocks, keep)
      log.blocks.push(...blocks.map((block) => new Uint8Array(block)))
    },
    get: async (index) => present(log.blocks[index]).slice(),
    treeHashAt: async (length) =>
      treeHashOf({ length, roots: peakIndexes(length).map((index) => present(nodes.get(index))) }),
    close: async () => undefined,
  }
  return { storage, peaks: opened }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('a block or node below the head is absent')
  return value
}
