/** The parts of a level that the index of packs uses (`IndexDatabase` of store-pack). */
type IndexOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

interface IndexRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
  readonly reverse?: boolean
}

interface Batch {
  readonly operations: readonly IndexOperation[]
  readonly synced: boolean
}

/** Level in memory, as forgetful as it may be: after a crash any batch that was not synced is there or is not, whatever its order. */
export class MemoryIndex {
  readonly #rows = new Map<string, [Uint8Array, Uint8Array]>()
  readonly #durable: readonly Batch[]
  readonly #batches: Batch[] = []
  /** Batches to come that are refused. */
  refusals = 0
  /** Look-ups to come that fail. */
  unreadable = 0

  constructor(durable: readonly Batch[] = []) {
    this.#durable = durable
    for (const { operations } of durable) this.#apply(operations)
  }

  async open(): Promise<void> {}

  getSync(key: Uint8Array): Uint8Array | undefined {
    if (this.unreadable-- > 0) throw new Error('Corruption: block checksum mismatch')
    return this.#rows.get(text(key))?.[1]
  }

  async batch(operations: readonly IndexOperation[], options: { readonly sync?: boolean }): Promise<void> {
    await Promise.resolve()
    if (this.refusals > 0) {
      this.refusals--
      throw new Error('IO error: No space left on device')
    }
    this.#batches.push({ operations, synced: options.sync ?? false })
    this.#apply(operations)
  }

  async *iterator(range: IndexRange): AsyncGenerator<[Uint8Array, Uint8Array]> {
    const rows = [...this.#rows].filter(([key]) => within(key, range)).toSorted(([a], [b]) => (a < b ? -1 : 1))
    for (const [, row] of range.reverse === true ? rows.toReversed() : rows) yield row
  }

  async clear(range: IndexRange): Promise<void> {
    const keys = [...this.#rows].filter(([key]) => within(key, range)).map(([, [key]]) => key)
    await this.batch(
      keys.map((key) => ({ type: 'del', key })),
      {},
    )
  }

  /** Changes a row behind the store's back. */
  damage(key: Uint8Array, value: Uint8Array): void {
    this.#rows.set(text(key), [key, value])
  }

  keys(): Uint8Array[] {
    return [...this.#rows.values()].map(([key]) => key)
  }

  /** The index as the next start finds it. */
  crash(isKept: () => boolean): MemoryIndex {
    return new MemoryIndex([...this.#durable, ...this.#batches.filter((batch) => batch.synced || isKept())])
  }

  #apply(operations: readonly IndexOperation[]): void {
    for (const operation of operations) {
      if (operation.type === 'put') this.#rows.set(text(operation.key), [operation.key, operation.value])
      else this.#rows.delete(text(operation.key))
    }
  }
}

const text = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
const within = (key: string, range: IndexRange): boolean => key >= text(range.gte) && key < text(range.lt)
