import { encodeEpochRecord } from '@holdfast/failover'
import { encodeEpochBlock } from '@holdfast/journal'
import { signRaw, type SigningKey } from '@holdfast/keys'
import { equalBytes } from '@holdfast/ports'
import type { JournalStore } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Epoch } from '../epochs/index.ts'

/** Stores block 0 of a log of this node's own, the record that opened the epoch, unless it is there. Durable when this resolves. */
export async function writeFirstBlock(
  store: Pick<PackStore, 'commit' | 'journals'>,
  journals: JournalStore,
  key: SigningKey,
  { record, identity, storedKey }: Epoch,
): Promise<void> {
  if (store.journals().some((run) => run.length > 0 && equalBytes(run.coreKey, storedKey))) return
  const log = await journals.open(identity)
  if (log.head().length > 0) return
  const blocks = [encodeEpochBlock(encodeEpochRecord(record))]
  const signature = signRaw(key, log.propose(blocks).signable)
  await store.commit(identity.volume, [], { coreKey: log.coreKey, start: 0, blocks, signature })
}
