/** Writes a past state of a volume back to a directory. */
export { unfinishedRestore } from './destination.ts'
export { restoreTree } from './restore-tree.ts'
export type * from './types.ts'
