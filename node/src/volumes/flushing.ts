import type { IndexStore } from './index-store.ts'
import type { Volume } from './volume.ts'

/** Makes durable what is derived of the volumes: how far they are complete, and their catalogs. */
export async function flushDerived(index: IndexStore, volumes: readonly Volume[]): Promise<void> {
  const catalogs = volumes.map(({ readable }) => readable?.catalog)
  const appliedSeqs = catalogs.map((catalog) => catalog?.applied.seq)
  await index.settle()
  for (const [place, volume] of volumes.entries()) {
    const complete = volume.completeLength()
    await index.setCompleteLength(volume.id, volume.epoch, complete)
    // Nothing is complete while a chunk is missing that an earlier epoch names, or nobody knows which: all is looked at anew then.
    for (const { epoch, length } of volume.earlier)
      await index.setCompleteLength(volume.id, epoch, complete === 0 ? 0 : length)
    // Synced, with what was put before.
    await catalogs[place]?.flush(appliedSeqs[place])
  }
}
