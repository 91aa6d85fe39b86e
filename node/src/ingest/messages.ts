/** What pool and workers say to each other. Jobs and requests are numbers of the pool. */
import type { ErrorCode } from '@holdfast/ports'
import { HoldfastError } from '@holdfast/ports'
import type { SegmentTableMemory } from '@holdfast/sealing'
import type { FrameEntry } from '@holdfast/store-pack'
import type { IngestPath } from './types.ts'

/** What a worker is started with. */
export interface WorkerData {
  /** Of this thread; never given to another one. */
  readonly worker: number
  readonly table: SegmentTableMemory
  readonly driveDirectory: string
  readonly packNumbers: SharedArrayBuffer
  readonly reserveBytes: number
}

export type ToWorker =
  | { readonly type: 'volume'; readonly volume: string; readonly keyRing: Uint8Array }
  | { readonly type: 'batch'; readonly batch: Batch }
  /** No more batches of this job: seal, finish its drafts, say `finished`. */
  | { readonly type: 'finish'; readonly job: number }
  /** Forget the job's batches and drafts, then as `finish`. */
  | { readonly type: 'cancel'; readonly job: number }
  /** The oldest group on its way was taken. */
  | { readonly type: 'taken' }
  /** Chunks of another worker were named, or lost. */
  | { readonly type: 'announced' }
  | { readonly type: 'commit'; readonly request: number; readonly frames: readonly Uint8Array[] }
  | { readonly type: 'stop' }

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'batch-done'; readonly job: number }
  /** An encoded group of the job. */
  | { readonly type: 'group'; readonly job: number; readonly content: ArrayBuffer }
  | { readonly type: 'finished'; readonly job: number }
  /** The job cannot go on here; the worker waits for `cancel`. */
  | { readonly type: 'failed'; readonly job: number; readonly error: PlainError }
  | {
      readonly type: 'committed'
      readonly request: number
      readonly entries: readonly FrameEntry[]
      readonly durable: readonly number[]
    }
  | { readonly type: 'refused'; readonly request: number; readonly error: PlainError }
  | { readonly type: 'stopped' }

export interface Batch {
  readonly job: number
  /** As the job says. */
  readonly isUrgent: boolean
  /** Hex. */
  readonly volume: string
  readonly root: Uint8Array
  readonly rootIdentity: { readonly dev: bigint; readonly ino: bigint } | undefined
  /** Paths one after the other, and where each ends: one buffer crosses the threads instead of one a path. */
  readonly pathBytes: Uint8Array
  readonly pathEnds: Uint32Array
}

/** An error without its class, which does not survive the way. */
export interface PlainError {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
  readonly next: string | undefined
}

export function plainError(error: unknown): PlainError {
  if (error instanceof HoldfastError) {
    const { code, message, retryable, next } = error
    return { code, message, retryable, next }
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: 'HF_INTERNAL', message: `an ingest worker failed: ${message}`, retryable: false, next: undefined }
}

export function holdfastError({ code, message, retryable, next }: PlainError): HoldfastError {
  return new HoldfastError(code, message, next === undefined ? { retryable } : { retryable, next })
}

export function batchOf(
  of: Pick<Batch, 'job' | 'isUrgent' | 'volume' | 'rootIdentity'>,
  root: Uint8Array,
  paths: readonly IngestPath[],
): Batch {
  const pathEnds = new Uint32Array(paths.length)
  let length = 0
  paths.forEach(({ path }, index) => {
    length += path.byteLength
    pathEnds[index] = length
  })
  const pathBytes = new Uint8Array(length)
  paths.forEach(({ path }, index) => pathBytes.set(path, (pathEnds[index] ?? 0) - path.byteLength))
  // A copy, since a view would take all of its buffer along.
  return { ...of, root: new Uint8Array(root), pathBytes, pathEnds }
}

export function* pathsOf({ pathBytes, pathEnds }: Batch): Generator<Uint8Array> {
  let start = 0
  for (const end of pathEnds) {
    yield pathBytes.slice(start, end)
    start = end
  }
}
