/** What a primary in doubt records on its own drive until its next epoch is certified. */
export { createPendingJournal, endPendingJournal, findPendingJournals, type PendingJournal } from './pending-journal.ts'
export { PendingRecords, type PendingChanges } from './pending-records.ts'
export { repeatPending } from './repeating.ts'
