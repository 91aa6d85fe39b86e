import { HoldfastError } from '@holdfast/ports'
import type { LocalNode } from './local.ts'

/** The daemon in this process. */
export function createLocalNode(): LocalNode {
  throw new HoldfastError('HF_INTERNAL', 'not wired')
}
