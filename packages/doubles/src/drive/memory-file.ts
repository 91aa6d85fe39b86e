import type { Fate } from './types.ts'

/** One change of a file's content that is not durable yet. `bytes` is empty for a truncation to `offset`. */
export interface FileChange {
  readonly type: 'write' | 'truncate'
  readonly order: number
  readonly offset: number
  readonly bytes: Uint8Array
}

/** A file's content, as readers see it and as the drive would keep it. Costs three times its size. */
export class MemoryFile {
  readonly #nextOrder: () => number
  readonly #seen = new Content()
  readonly #durable = new Content()
  #changes: FileChange[] = []

  constructor(nextOrder: () => number) {
    this.#nextOrder = nextOrder
  }

  get size(): number {
    return this.#seen.size
  }

  read(offset: number, length: number): Uint8Array {
    return this.#seen.read(offset, length)
  }

  /** Keeps `bytes`. */
  write(bytes: Uint8Array, offset: number): void {
    this.#seen.write(bytes, offset)
    this.#changes.push({ type: 'write', order: this.#nextOrder(), offset, bytes })
  }

  truncate(length: number): void {
    this.#seen.truncate(length)
    this.#changes.push({ type: 'truncate', order: this.#nextOrder(), offset: length, bytes: new Uint8Array() })
  }

  /** Changes made before `order` become durable. */
  sync(order: number): void {
    for (const change of this.#changes) if (change.order < order) apply(change, 'kept', this.#durable)
    this.#changes = this.#changes.filter((change) => change.order >= order)
  }

  changes(): readonly FileChange[] {
    return this.#changes
  }

  /** The file as the next start finds it: what is durable, and of the changes in doubt what `settle` gives it. */
  afterCrash(nextOrder: () => number): MemoryFile {
    const file = new MemoryFile(nextOrder)
    file.rot(0, this.#durable.read(0, this.#durable.size))
    return file
  }

  /** After a crash: a change of the file before it reached the drive, or not, or in part. */
  settle(change: FileChange, fate: Fate): void {
    apply(change, fate, this.#seen)
    apply(change, fate, this.#durable)
  }

  rot(offset: number, bytes: Uint8Array): void {
    this.#seen.write(bytes, offset)
    this.#durable.write(bytes, offset)
  }
}

function apply(change: FileChange, fate: Fate, content: Content): void {
  if (fate === 'lost') return
  const { bytes, offset } = change
  const middle = (bytes.byteLength + 1) >> 1
  if (change.type === 'truncate') content.truncate(offset)
  else if (fate === 'torn-head') content.write(bytes.subarray(0, middle), offset)
  else if (fate === 'torn-tail') content.write(bytes.subarray(middle), offset + middle)
  else content.write(bytes, offset)
}

/** Bytes that grow by doubling. */
class Content {
  #bytes = new Uint8Array(256)
  size = 0

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(Math.min(offset, this.size), Math.min(offset + length, this.size))
  }

  write(bytes: Uint8Array, offset: number): void {
    if (bytes.byteLength === 0) return
    this.truncate(Math.max(this.size, offset + bytes.byteLength))
    this.#bytes.set(bytes, offset)
  }

  truncate(length: number): void {
    if (length > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(length, this.#bytes.byteLength * 2))
      grown.set(this.#bytes.subarray(0, this.size))
      this.#bytes = grown
    }
    if (length < this.size) this.#bytes.fill(0, length, this.size)
    this.size = length
  }
}
