import type { CoreKey, JournalStore, LogIdentity } from '@holdfast/ports'
import { journalAppendContract } from './append.contract.ts'
import { journalReadContract } from './read.contract.ts'
import { journalRefusalContract } from './refusal.contract.ts'
import { journalStoreContract } from './store.contract.ts'

/** What a suite needs to know of an implementation of `JournalStore`. */
export interface JournalFixture {
  /** Something empty to keep logs in. */
  create(): Promise<JournalBacking>
  readonly coreKeyOf: (identity: LogIdentity) => CoreKey
}

/** What outlives a store: a directory, a disk in memory. */
export interface JournalBacking {
  /** At most one store is open at a time. */
  open(): Promise<JournalStore>
  destroy(): Promise<void>
}

/** The behaviour of every `JournalStore` and of its logs. */
export function journalContract(fixture: JournalFixture): void {
  journalAppendContract(fixture)
  journalRefusalContract(fixture)
  journalReadContract(fixture)
  journalStoreContract(fixture)
}
