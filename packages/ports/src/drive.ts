/**
 * One drive: a directory with the few operations that durability is built from. Writes are synchronous (they reach the
 * page cache), syncs and reads are asynchronous. Paths are relative to the drive's root, `/`-separated, without `..`.
 * Nothing is durable before `datasync` (content and length) and `syncDirectory` (names) have resolved.
 * Errors: HF_DRIVE_FULL (ENOSPC, EDQUOT), HF_DRIVE_FAILED (any other refusal), HF_NOT_FOUND (absent path on open or rename).
 * After a failed sync the drive is failed: every later write and sync rejects with HF_DRIVE_FAILED.
 */
export interface Drive {
  /** Creates a new file for writing; parents exist. @throws HF_ALREADY_EXISTS */
  create(path: string): DriveFile
  /** Opens an existing file; `writable` allows `write` and `truncate`. @throws HF_NOT_FOUND */
  open(path: string, options?: { writable?: boolean }): DriveFile
  /** Atomic; replaces `to`. Durable after `syncDirectory` of both parents. */
  rename(from: string, to: string): void
  /** No error if absent. */
  remove(path: string): void
  /** Creates a directory and its parents; no error if present. */
  makeDirectory(path: string): void
  /** Names in a directory, sorted; empty if it is absent. */
  list(path: string): string[]
  syncDirectory(path: string): Promise<void>
  /** Bytes free for this process, and in all. */
  space(): { freeBytes: number; totalBytes: number }
}

export interface DriveFile {
  /** Writes all of `bytes` at `offset`; a short write is an error. The bytes are not kept. */
  write(bytes: Uint8Array, offset: number): void
  /** Up to `length` bytes from `offset`, fewer only at the end of the file. The result is the caller's. */
  read(offset: number, length: number): Promise<Uint8Array>
  size(): number
  truncate(length: number): void
  datasync(): Promise<void>
  /** Idempotent. */
  close(): void
}
