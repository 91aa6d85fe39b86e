import fs from 'node:fs/promises'
import { HoldfastError, MIB } from '@holdfast/ports'
import { Level } from 'level'
import type { IndexDatabase } from './types.ts'

/** LevelDB's write buffer, bytes; up to two are in memory. Twice as much took no less CPU for 25,000 entries. */
export const INDEX_WRITE_BUFFER_BYTES = 4 * MIB
/** LevelDB's cache of blocks, bytes. */
export const INDEX_CACHE_BYTES = 8 * MIB

export type OwnedIndex = IndexDatabase & { close(): Promise<void> }

/** Opens the index in a directory of its own. One that LevelDB finds damaged is deleted: the store makes it anew from the packs.
 *  `fresh` deletes it in any case. @throws HF_HOME_IN_USE if another process has it open, HF_DRIVE_FAILED, HF_DRIVE_FULL */
export async function openIndex(directory: string, options: { fresh?: boolean } = {}): Promise<OwnedIndex> {
  if (options.fresh === true) await remove(directory)
  try {
    return await open(directory)
  } catch (cause) {
    if (codeOf(cause) === 'LEVEL_LOCKED') {
      throw new HoldfastError('HF_HOME_IN_USE', 'another process has the index open', { cause })
    }
  }
  await remove(directory)
  try {
    return await open(directory)
  } catch (cause) {
    throw new HoldfastError('HF_DRIVE_FAILED', `the index cannot be opened: ${String(cause)}`, { cause })
  }
}

async function open(directory: string): Promise<OwnedIndex> {
  await fs.mkdir(directory, { recursive: true, mode: 0o700 })
  const level = new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    // Ids and places do not compress.
    compression: false,
    writeBufferSize: INDEX_WRITE_BUFFER_BYTES,
    cacheSize: INDEX_CACHE_BYTES,
  })
  await level.open()
  return level
}

async function remove(directory: string): Promise<void> {
  try {
    await fs.rm(directory, { recursive: true, force: true })
  } catch (cause) {
    throw new HoldfastError('HF_DRIVE_FAILED', `the index cannot be deleted: ${String(cause)}`, { cause })
  }
}

/** The code of what LevelDB said: the error of `open` wraps it. */
function codeOf(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}
