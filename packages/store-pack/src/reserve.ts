import { GIB, HoldfastError, MIB } from '@holdfast/ports'

/**
 * What is left free on a drive, so that it is never written full: an index that meets a full file system is damaged, and a node
 * without room for its journal can say nothing any more. New chunks stop at the reserve; journal frames, which are small and say what
 * became of chunks that are stored already, at half of it; the rest is for the indexes, their compaction, footers and the home.
 */

/** Part of a drive that is kept free. */
export const RESERVE_RATIO = 0.02
/** Least reserve, bytes: RocksDB may write 64 MiB of its memory at once, LevelDB merges some 25 MiB, and each of four workers may write
 *  8 MiB while another one looks. */
export const RESERVE_BYTES_MIN = 128 * MIB
/** Largest reserve, bytes. */
export const RESERVE_BYTES_MAX = 10 * GIB

/** Bytes of a file system of so many bytes that are kept free. */
export function reserveBytesOf(totalBytes: number): number {
  return Math.round(Math.min(RESERVE_BYTES_MAX, Math.max(RESERVE_BYTES_MIN, totalBytes * RESERVE_RATIO)))
}

/** What journal frames leave free of a reserve, bytes. */
export const journalReserveOf = (reserveBytes: number): number => reserveBytes / 2

/** Why nothing more is written below the reserve; `where` names the file system. */
export function reserveReached(where: string, freeBytes: number, keptBytes: number): HoldfastError {
  const mib = (bytes: number): string => `${Math.floor(bytes / MIB)} MiB`
  return new HoldfastError(
    'HF_DRIVE_FULL',
    `${where} is full: ${mib(freeBytes)} are free, and the last ${mib(keptBytes)} are kept for journal and indexes; what was acknowledged is safe`,
    { retryable: true, next: 'make room there; the node then goes on by itself' },
  )
}
