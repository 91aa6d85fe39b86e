/** The catalog's view of level: bytes in, bytes out, entries in batches, and its failures under our codes. */
import { HoldfastError } from '@holdfast/ports'
import type { AbstractLevel, AbstractSnapshot } from 'abstract-level'
import { plainView } from '@holdfast/codec'
import type { KeyRange } from './keys.ts'
import { catalogDamaged } from './rows.ts'

/** A level or sublevel; its own encodings do not matter. */
export type AnyLevel<K = string, V = string> = AbstractLevel<string | Buffer | Uint8Array, K, V>
export type Snapshot = AbstractSnapshot
export type Entry = readonly [key: Uint8Array, value: Uint8Array]

/** Writes that take effect together. Keys and values stay as they are until `write` resolves. */
export interface Batch {
  put(key: Uint8Array, value: Uint8Array): void
  del(key: Uint8Array): void
  /** All or nothing; with `sync` durable, with everything before it. */
  write(sync: boolean): Promise<void>
}

/** Rows fetched at once, and their bytes: one hop to the thread pool for some 400 rows. */
const ENTRIES_AT_ONCE = 1000
const ENTRY_BYTES_AT_ONCE = 64 * 1024

const BYTES = { keyEncoding: 'view', valueEncoding: 'view' } as const

export interface Database {
  /** What follows reads the state of this moment, until `close` of the snapshot. */
  snapshot(): Snapshot
  get(key: Uint8Array, snapshot?: Snapshot): Promise<Uint8Array | undefined>
  getMany(keys: readonly Uint8Array[], snapshot?: Snapshot): Promise<(Uint8Array | undefined)[]>
  /** The last entry of a range. */
  last(range: KeyRange, snapshot?: Snapshot): Promise<Entry | undefined>
  entries(range: KeyRange, options?: { reverse?: boolean; snapshot?: Snapshot }): EntryReader
  batch(): Batch
  clear(range: KeyRange): Promise<void>
}

export function createDatabase<K, V>(level: AnyLevel<K, V>): Database {
  const entries: Database['entries'] = (range, { reverse = false, snapshot } = {}) => {
    const options = { ...range, ...BYTES, ...withSnapshot(snapshot), reverse, highWaterMarkBytes: ENTRY_BYTES_AT_ONCE }
    const iterator = level.iterator<Uint8Array, Uint8Array>(options)
    return new EntryReader({
      more: (count) => coded(iterator.nextv(count)),
      seek: (key) => iterator.seek(key),
      close: () => coded(iterator.close()),
    })
  }
  return {
    snapshot: () => level.snapshot(),
    get: async (key, snapshot) => {
      const value = await coded(level.get<Uint8Array, Uint8Array>(key, { ...BYTES, ...withSnapshot(snapshot) }))
      return value && plainView(value)
    },
    getMany: async (keys, snapshot) => {
      const options = { ...BYTES, ...withSnapshot(snapshot) }
      const values = await coded(level.getMany<Uint8Array, Uint8Array>([...keys], options))
      return values.map((value) => value && plainView(value))
    },
    last: async (range, snapshot) => {
      const reader = entries(range, { reverse: true, ...withSnapshot(snapshot) })
      try {
        return await reader.next(1)
      } finally {
        await reader.close()
      }
    },
    entries,
    batch: () => {
      // One by one into a chained batch: an array of operations costs three times as much CPU, objects and copies of them.
      const batch = failing(() => level.batch())
      return {
        put: (key, value) => void batch.put<Uint8Array, Uint8Array>(key, value, BYTES),
        del: (key) => void batch.del<Uint8Array>(key, BYTES),
        // `sync` is an option of classic-level, which abstract-level does not name.
        write: (sync) => coded(batch.write({ sync } as object)),
      }
    },
    clear: (range) => coded(level.clear<Uint8Array>({ ...range, keyEncoding: 'view' })),
  }
}

function withSnapshot(snapshot: Snapshot | undefined): { snapshot?: Snapshot } {
  return snapshot === undefined ? {} : { snapshot }
}

/** classic-level hands out Buffers, whatever it is asked for. */
function plainEntry(entry: Entry | undefined): Entry | undefined {
  return entry && [plainView(entry[0]), plainView(entry[1])]
}

interface Source {
  more(count: number): Promise<Entry[]>
  seek(key: Uint8Array): void
  close(): Promise<void>
}

/** Entries of a range one by one, fetched in batches. */
export class EntryReader {
  readonly #source: Source
  #fetched: readonly Entry[] = []
  #next = 0

  constructor(source: Source) {
    this.#source = source
  }

  /** `atOnce` bounds what is fetched when nothing is there. */
  async next(atOnce = ENTRIES_AT_ONCE): Promise<Entry | undefined> {
    if (this.#next === this.#fetched.length) {
      this.#fetched = await this.#source.more(atOnce)
      this.#next = 0
    }
    return plainEntry(this.#fetched[this.#next++])
  }

  /** The next entry at or behind `key`: passes over what is fetched, and then seeks. */
  async nextFrom(key: Uint8Array): Promise<Entry | undefined> {
    while (this.#next < this.#fetched.length) {
      const entry = this.#fetched[this.#next++]
      if (entry !== undefined && Buffer.compare(entry[0], key) >= 0) return plainEntry(entry)
    }
    this.#source.seek(key)
    return this.next()
  }

  close(): Promise<void> {
    return this.#source.close()
  }
}

async function coded<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw codedError(cause)
  }
}

function failing<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw codedError(cause)
  }
}

function codedError(cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const { code } = cause as { code?: unknown }
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') {
    return new HoldfastError('HF_CLOSED', 'the database of the catalog is closed', { cause })
  }
  return catalogDamaged('cannot be read or written', cause)
}
