/**
 * A log: the rules, applied one append after the other, over something that stores blocks. The peaks are kept here, so
 * what must be signed, and whether a frame fits, is known without asking the store.
 */
import type { CoreKey, JournalFrame, JournalLog, LogHead, LogIdentity, LogProposal } from '@holdfast/ports'
import { HoldfastError, shortId } from '@holdfast/ports'
import type { Peaks } from './peaks.ts'
import { treeHashOf } from './peaks.ts'
import { check, peaksOf, propose } from './rules.ts'

/** Appends that may wait for the one before, per log. Frames are the callers' memory, at most 4 MiB each; more means that nobody waits for anything. */
export const APPEND_BACKLOG_MAX = 256
/** Blocks that `read` asks for at once: hides the store's latency at the cost of so many blocks in memory (64 KiB each as written, 4 MiB at most). */
export const READ_AHEAD_BLOCKS = 8

/** Where a log keeps its blocks. Called one append at a time, with what was verified before. */
export interface BlockStorage {
  /** All or nothing. Copies what it keeps. A rejection means that what is stored is not known. */
  append(blocks: readonly Uint8Array[], signature: Uint8Array): Promise<void>
  /** A copy of a block that was appended. @throws HF_JOURNAL_DAMAGED */
  get(index: number): Promise<Uint8Array>
  /** Tree hash of the first `length` blocks, which were appended. @throws HF_JOURNAL_DAMAGED */
  treeHashAt(length: number): Promise<Uint8Array>
  close(): Promise<void>
}

export class SignedLog implements JournalLog {
  readonly coreKey: CoreKey
  readonly identity: LogIdentity
  readonly #storage: BlockStorage
  readonly #onClosed: () => void
  #peaks: Peaks
  #head: LogHead
  #appends: Promise<unknown> = Promise.resolve()
  #backlog = 0
  #failure: HoldfastError | undefined
  #closing: Promise<void> | undefined

  constructor(coreKey: CoreKey, identity: LogIdentity, peaks: Peaks, storage: BlockStorage, onClosed: () => void) {
    this.coreKey = coreKey
    this.identity = identity
    this.#storage = storage
    this.#onClosed = onClosed
    this.#peaks = peaks
    this.#head = { length: peaks.length, treeHash: treeHashOf(peaks) }
  }

  /** Resolves when a close that has begun is done; undefined while the log is open. */
  get closing(): Promise<void> | undefined {
    return this.#closing
  }

  head(): LogHead {
    return { length: this.#head.length, treeHash: this.#head.treeHash.slice() }
  }

  propose(blocks: readonly Uint8Array[], after?: LogProposal): LogProposal {
    return propose(this.coreKey, this.#base(after), blocks)
  }

  verify(frame: JournalFrame, after?: LogProposal): LogProposal | undefined {
    const result = check(this.identity, this.coreKey, this.#base(after), frame)
    return result instanceof HoldfastError ? undefined : result
  }

  async append(frame: JournalFrame): Promise<LogHead> {
    this.#assertOpen()
    if (this.#backlog === APPEND_BACKLOG_MAX) {
      const message = `${APPEND_BACKLOG_MAX} appends to log ${shortId(this.coreKey)} wait already`
      throw new HoldfastError('HF_BUSY', message, { retryable: true })
    }
    this.#backlog++
    const appended = this.#appends.then(() => this.#appendNext(frame))
    this.#appends = appended.catch(() => undefined).finally(() => this.#backlog--)
    return appended
  }

  async get(index: number): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    assertIndex(index)
    return index < this.#head.length ? this.#storage.get(index) : undefined
  }

  async *read(from: number, to: number): AsyncGenerator<Uint8Array> {
    assertIndex(from)
    assertIndex(to)
    const end = Math.min(to, this.#head.length)
    for (let start = from; start < end; start += READ_AHEAD_BLOCKS) {
      this.#assertOpen()
      const count = Math.min(READ_AHEAD_BLOCKS, end - start)
      yield* await Promise.all(Array.from({ length: count }, (_, place) => this.#storage.get(start + place)))
    }
  }

  async treeHashAt(length: number): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    assertIndex(length)
    if (length > this.#head.length) return undefined
    return length === this.#head.length ? this.#head.treeHash.slice() : this.#storage.treeHashAt(length)
  }

  close(): Promise<void> {
    this.#closing ??= this.#appends.then(() => this.#storage.close()).finally(this.#onClosed)
    return this.#closing
  }

  async #appendNext(frame: JournalFrame): Promise<LogHead> {
    if (this.#failure !== undefined) throw this.#failure
    const result = check(this.identity, this.coreKey, this.#peaks, frame)
    if (result instanceof HoldfastError) throw result
    try {
      await this.#storage.append(frame.blocks, frame.signature)
    } catch (cause) {
      // What is stored is not known any more: nothing may follow until the log was opened anew.
      const message = `log ${shortId(this.coreKey)} could not be written`
      this.#failure = new HoldfastError('HF_JOURNAL_DAMAGED', message, { cause })
      throw this.#failure
    }
    this.#peaks = peaksOf(result, this.coreKey)
    this.#head = result.head
    return this.head()
  }

  #base(after: LogProposal | undefined): Peaks {
    this.#assertOpen()
    return after === undefined ? this.#peaks : peaksOf(after, this.coreKey)
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new HoldfastError('HF_CLOSED', `log ${shortId(this.coreKey)} is closed`)
  }
}

function assertIndex(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${value} is no index of a block`)
}
