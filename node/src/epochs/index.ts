/** Epochs of volumes: the same writer's next one after a doubtful restart, claimed from and certified by the volume's voters. */
export { claimOf, gatherVotes, type Round } from './claiming.ts'
export { copyKey, epochOf, JOURNAL_COPIES_MAX, type Cut, type Epoch } from './epoch.ts'
export { EpochService } from './epoch-service.ts'
export { VoterRecords } from './voter-records.ts'
