import type { IndexDatabase, IndexOperation, IndexRange } from '@holdfast/store-pack'

/** An index that does not survive its process: each start makes it anew from the packs. */
export class ForgetfulIndex implements IndexDatabase {
  readonly #rows = new Map<string, [Uint8Array, Uint8Array]>()

  async open(): Promise<void> {}

  getSync(key: Uint8Array): Uint8Array | undefined {
    return this.#rows.get(text(key))?.[1]
  }

  async batch(operations: readonly IndexOperation[]): Promise<void> {
    for (const operation of operations) {
      if (operation.type === 'put') this.#rows.set(text(operation.key), [operation.key, operation.value])
      else this.#rows.delete(text(operation.key))
    }
  }

  async *iterator({ gte, lt, reverse = false }: IndexRange): AsyncGenerator<[Uint8Array, Uint8Array]> {
    const keys = [...this.#rows.keys()].filter((key) => key >= text(gte) && key < text(lt)).toSorted()
    for (const key of reverse ? keys.toReversed() : keys) {
      const row = this.#rows.get(key)
      if (row !== undefined) yield row
    }
  }

  async clear({ gte, lt }: IndexRange): Promise<void> {
    for (const key of this.#rows.keys()) if (key >= text(gte) && key < text(lt)) this.#rows.delete(key)
  }
}

const text = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
