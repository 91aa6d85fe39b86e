import { STAT_BYTES, STAT_WORDS } from '@holdfast/capture'
import { CONTENT_KEY_BYTES } from './content-key.ts'
import { STAT_ROWS_MAX } from './limits.ts'
import type { StatRow, StatStore } from './types.ts'

/** What the stat store needs of a level with `view` encodings. */
export interface StatLevel {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  /** Rows one by one: an array of them costs three times as much. */
  batch(): StatBatch
  iterator(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): {
    nextv(count: number): Promise<[Uint8Array, Uint8Array][]>
    close(): Promise<void>
  }
  clear(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void>
}

export interface StatBatch {
  put(key: Uint8Array, value: Uint8Array): unknown
  del(key: Uint8Array): unknown
  write(): Promise<void>
}

/** Keys, behind the store's prefix: `s` is the seq and which half is in use; the number of the half (0 or 1) and a path, a row. Values
 *  begin with their version: rows of another one say less, so a head of another one means that the catalog is compared with
 *  everything on disk. */
const VERSION = 2
const HEAD = 0x73
const HEAD_BYTES = 10
const FLAG_RACY = 1
const FLAG_KEYED = 2
const FLAG_YOUNG = 4
const HEADER_BYTES = 4
const WORDS_AT = HEADER_BYTES + CONTENT_KEY_BYTES
const ROW_BYTES = WORDS_AT + STAT_BYTES

interface Head {
  readonly seq: number
  readonly half: number
}

/** The stat store in level, under the keys that begin with `prefix`, which differ from the others'. Unsynced: after a power loss it may be
 *  behind the catalog, which its seq tells. */
export function createStatStore(level: StatLevel, prefix: Uint8Array): StatStore {
  return new LevelStatStore(level, prefix)
}

const EMPTY = new Uint8Array(0)

class LevelStatStore implements StatStore {
  readonly #level: StatLevel
  readonly #prefix: Uint8Array
  readonly #headKey: Uint8Array
  #head: Promise<Head | undefined> | undefined

  constructor(level: StatLevel, prefix: Uint8Array) {
    this.#level = level
    this.#prefix = prefix
    this.#headKey = this.#key(HEAD)
  }

  async seq(): Promise<number | undefined> {
    return (await this.#readHead())?.seq
  }

  async *load(): AsyncGenerator<readonly StatRow[]> {
    const half = await this.#half()
    const iterator = this.#level.iterator(this.#range(half))
    try {
      for (;;) {
        const entries = await iterator.nextv(STAT_ROWS_MAX)
        if (entries.length === 0) return
        yield entries.flatMap(([key, value]) => decodeRow(ownBytes(key, this.#prefix.byteLength + 1), value) ?? [])
      }
    } finally {
      await iterator.close()
    }
  }

  async rows(paths: readonly Uint8Array[]): Promise<(StatRow | undefined)[]> {
    const half = await this.#half()
    const values = await this.#level.getMany(paths.map((path) => this.#key(half, path)))
    return values.map((value, index) => value && decodeRow(paths[index] ?? EMPTY, value))
  }

  async apply(puts: readonly StatRow[], deletes: readonly Uint8Array[], seq?: number): Promise<void> {
    const half = await this.#half()
    const batch = this.#level.batch()
    for (const row of puts) batch.put(this.#key(half, row.path), encodeRow(row))
    for (const path of deletes) batch.del(this.#key(half, path))
    if (seq !== undefined) batch.put(this.#headKey, encodeHead({ seq, half }))
    await batch.write()
    if (seq !== undefined) this.#head = Promise.resolve({ seq, half })
  }

  async replace(rows: AsyncIterable<readonly StatRow[]>, seq: number): Promise<void> {
    const before = await this.#half()
    const half = 1 - before
    await this.#level.clear(this.#range(half))
    for await (const group of rows) {
      const batch = this.#level.batch()
      for (const row of group) batch.put(this.#key(half, row.path), encodeRow(row))
      await batch.write()
    }
    const head = this.#level.batch()
    head.put(this.#headKey, encodeHead({ seq, half }))
    await head.write()
    this.#head = Promise.resolve({ seq, half })
    await this.#level.clear(this.#range(before))
  }

  async clear(): Promise<void> {
    this.#head = undefined
    await this.#level.clear({ gte: this.#key(0), lt: this.#key(HEAD + 1) })
  }

  #key(first: number, path: Uint8Array = EMPTY): Uint8Array {
    const at = this.#prefix.byteLength
    const key = new Uint8Array(at + 1 + path.byteLength)
    key.set(this.#prefix)
    key[at] = first
    key.set(path, at + 1)
    return key
  }

  #range(half: number): { gte: Uint8Array; lt: Uint8Array } {
    return { gte: this.#key(half), lt: this.#key(half + 1) }
  }

  async #half(): Promise<number> {
    return (await this.#readHead())?.half ?? 0
  }

  #readHead(): Promise<Head | undefined> {
    this.#head ??= this.#level.get(this.#headKey).then((value) => value && decodeHead(value))
    return this.#head
  }
}

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
function encodeRow({ racy, young, keyed, words, content }: StatRow): Uint8Array {
  const value = new Uint8Array(ROW_BYTES)
  value[0] = VERSION
  value[1] = (racy ? FLAG_RACY : 0) | (keyed ? FLAG_KEYED : 0) | (young ? FLAG_YOUNG : 0)
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
  const doubt = { racy: (flags & FLAG_RACY) !== 0, young: (flags & FLAG_YOUNG) !== 0 }
  return { path, words, keyed: (flags & FLAG_KEYED) !== 0, ...doubt, content }
}
