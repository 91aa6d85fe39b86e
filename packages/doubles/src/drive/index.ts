export { fateCombinations } from './fates.ts'
export { createMemoryDrive } from './memory-drive.ts'
export * from './types.ts'
