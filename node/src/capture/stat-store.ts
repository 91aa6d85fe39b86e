import { STAT_BYTES, STAT_WORDS } from '@holdfast/capture'
import { CONTENT_KEY_BYTES } from './content-key.ts'
import { STAT_ROWS_MAX } from './limits.ts'
import type { StatRow, StatStore } from './types.ts'

/** What the stat store needs of a level or sublevel with `view` encodings. */
export interface StatLevel {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  /** Rows one by one: an array of them costs a sublevel half as much again. */
  batch(): StatBatch
  iterator(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): {
    nextv(count: number): Promise<[Uint8Array, Uint8Array][]>
    close(): Promise<void>
  }
  clear(range?: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void>
}

export interface StatBatch {
  put(key: Uint8Array, value: Uint8Array): unknown
  del(key: Uint8Array): unknown
  write(): Promise<void>
}

/** Keys: `s` is the seq and which half is in use; the number of the half (0 or 1) and a path, a row. Values begin with their version. */
const VERSION = 1
const HEAD_KEY = Uint8Array.of(0x73)
const HEAD_BYTES = 10
const FLAG_RACY = 1
const FLAG_KEYED = 2
const HEADER_BYTES = 4
const WORDS_AT = HEADER_BYTES + CONTENT_KEY_BYTES
const ROW_BYTES = WORDS_AT + STAT_BYTES

interface Head {
  readonly seq: number
  readonly half: number
}

/** The stat store in level. Unsynced: after a power loss it may be behind the catalog, which its seq tells. */
export function createStatStore(level: StatLevel): StatStore {
  return new LevelStatStore(level)
}

class LevelStatStore implements StatStore {
  readonly #level: StatLevel
  #head: Promise<Head | undefined> | undefined

  constructor(level: StatLevel) {
    this.#level = level
  }

  async seq(): Promise<number | undefined> {
    return (await this.#readHead())?.seq
  }

  async *load(): AsyncGenerator<readonly StatRow[]> {
    const half = await this.#half()
    const iterator = this.#level.iterator(rangeOf(half))
    try {
      for (;;) {
        const entries = await iterator.nextv(STAT_ROWS_MAX)
        if (entries.length === 0) return
        yield entries.flatMap(([key, value]) => decodeRow(ownBytes(key, 1), value) ?? [])
      }
    } finally {
      await iterator.close()
    }
  }

  async rows(paths: readonly Uint8Array[]): Promise<(StatRow | undefined)[]> {
    const half = await this.#half()
    const values = await this.#level.getMany(paths.map((path) => rowKey(half, path)))
    return values.map((value, index) => value && decodeRow(paths[index] ?? EMPTY, value))
  }

  async apply(puts: readonly StatRow[], deletes: readonly Uint8Array[], seq?: number): Promise<void> {
    const half = await this.#half()
    const batch = this.#level.batch()
    for (const row of puts) batch.put(rowKey(half, row.path), encodeRow(row))
    for (const path of deletes) batch.del(rowKey(half, path))
    if (seq !== undefined) batch.put(HEAD_KEY, encodeHead({ seq, half }))
    await batch.write()
    if (seq !== undefined) this.#head = Promise.resolve({ seq, half })
  }

  async replace(rows: AsyncIterable<readonly StatRow[]>, seq: number): Promise<void> {
    const before = await this.#half()
    const half = 1 - before
    await this.#level.clear(rangeOf(half))
    for await (const group of rows) {
      const batch = this.#level.batch()
      for (const row of group) batch.put(rowKey(half, row.path), encodeRow(row))
      await batch.write()
    }
    const head = this.#level.batch()
    head.put(HEAD_KEY, encodeHead({ seq, half }))
    await head.write()
    this.#head = Promise.resolve({ seq, half })
    await this.#level.clear(rangeOf(before))
  }

  async clear(): Promise<void> {
    this.#head = undefined
    await this.#level.clear()
  }

  async #half(): Promise<number> {
    return (await this.#readHead())?.half ?? 0
  }

  #readHead(): Promise<Head | undefined> {
    this.#head ??= this.#level.get(HEAD_KEY).then((value) => value && decodeHead(value))
    return this.#head
  }
}

const EMPTY = new Uint8Array(0)

function rowKey(half: number, path: Uint8Array): Uint8Array {
  const key = new Uint8Array(path.byteLength + 1)
  key[0] = half
  key.set(path, 1)
  return key
}

const rangeOf = (half: number) => ({ gte: Uint8Array.of(half), lt: Uint8Array.of(half + 1) })

/** A copy: `slice` of a Buffer, which level returns, is none. */
const ownBytes = (bytes: Uint8Array, from: number, to?: number): Uint8Array => new Uint8Array(bytes.subarray(from, to))

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function encodeHead(head: Head): Uint8Array {
  const value = new Uint8Array(HEAD_BYTES)
  value[0] = VERSION
  value[1] = head.half
  viewOf(value).setBigUint64(2, BigInt(head.seq), true)
  return value
}

function decodeHead(value: Uint8Array): Head | undefined {
  if (value.byteLength !== HEAD_BYTES || value[0] !== VERSION) return undefined
  return { half: value[1] === 1 ? 1 : 0, seq: Number(viewOf(value).getBigUint64(2, true)) }
}

/** Version, flags, two bytes of zero, content key, and the words of the status, little-endian. */
function encodeRow({ racy, keyed, words, content }: StatRow): Uint8Array {
  const value = new Uint8Array(ROW_BYTES)
  value[0] = VERSION
  value[1] = (racy ? FLAG_RACY : 0) | (keyed ? FLAG_KEYED : 0)
  value.set(content, HEADER_BYTES)
  const view = viewOf(value)
  for (let word = 0; word < STAT_WORDS; word++) view.setUint32(WORDS_AT + word * 4, words[word] ?? 0, true)
  return value
}

/** Undefined for a row of another version: the path is looked at anew. */
function decodeRow(path: Uint8Array, value: Uint8Array): StatRow | undefined {
  if (value.byteLength !== ROW_BYTES || value[0] !== VERSION) return undefined
  const flags = value[1] ?? 0
  const content = ownBytes(value, HEADER_BYTES, WORDS_AT)
  const view = viewOf(value)
  const words = new Uint32Array(STAT_WORDS)
  for (let word = 0; word < STAT_WORDS; word++) words[word] = view.getUint32(WORDS_AT + word * 4, true)
  return { path, words, keyed: (flags & FLAG_KEYED) !== 0, racy: (flags & FLAG_RACY) !== 0, content }
}
