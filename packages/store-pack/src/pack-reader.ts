import { KIB } from '@holdfast/ports'
import type { DriveFile } from '@holdfast/ports'

/** Bytes read at once where small frames follow each other: large sequential reads. */
const WINDOW_BYTES = 256 * KIB
/** Bytes read for a header that lies more than `JUMP_BYTES` beyond the window: the one after it is likely as far. */
const STRAY_WINDOW_BYTES = 4 * KIB
const JUMP_BYTES = 64 * KIB

/** Reads a file mostly forwards, through one window. Its results are views that the next call may overwrite. */
export class PackReader {
  readonly #file: DriveFile
  /** Bytes that are read of the file. */
  readonly size: number
  #window: Uint8Array = new Uint8Array()
  #windowAt = 0

  constructor(file: DriveFile, size: number) {
    this.#file = file
    this.size = size
  }

  /** `length` bytes at `offset`, fewer only at the end of the file. */
  async read(offset: number, length: number, windowBytes = WINDOW_BYTES): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.size - offset))
    const within = offset >= this.#windowAt && offset + wanted <= this.#windowAt + this.#window.byteLength
    if (!within) {
      const ahead = Math.min(Math.max(wanted, windowBytes), this.size - offset)
      this.#window = wanted === 0 ? new Uint8Array() : await this.#file.read(offset, ahead)
      this.#windowAt = offset
    }
    const from = offset - this.#windowAt
    return this.#window.subarray(from, from + wanted)
  }

  /** Bytes where a header is looked for: a small read if the reader has jumped over a body, a large one if not. */
  readHeader(offset: number, length: number): Promise<Uint8Array> {
    const jumped = offset > this.#windowAt + this.#window.byteLength + JUMP_BYTES
    return this.read(offset, length, jumped ? STRAY_WINDOW_BYTES : WINDOW_BYTES)
  }
}
