/** Writes a past state of a volume back to a directory. */
export { restoreTree } from './restore-tree.ts'
export type * from './types.ts'
