/** The largest piece of memory that is taken before the bytes for it have come. */
const FIRST_BYTES = 64 * 1024

/** Puts one message together from parts. It copies them into memory that doubles as they come, so that what is held is at most
 *  twice what was sent, however small the parts are: views of a thousand tiny parts would cost a hundred times their bytes. */
export class Assembly {
  #buffer = new Uint8Array(0)
  #byteLength = 0

  get byteLength(): number {
    return this.#byteLength
  }

  /** Copies the part. `expectedBytes` is how many are announced in all, as a hint. */
  append(part: Uint8Array, expectedBytes: number): void {
    const needed = this.#byteLength + part.byteLength
    if (needed > this.#buffer.byteLength) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.byteLength, Math.min(expectedBytes, FIRST_BYTES)))
      grown.set(this.#buffer.subarray(0, this.#byteLength))
      this.#buffer = grown
    }
    this.#buffer.set(part, this.#byteLength)
    this.#byteLength = needed
  }

  /** What was put together, in memory of exactly its size; the next message begins. */
  take(): Uint8Array {
    const whole = this.#byteLength === this.#buffer.byteLength ? this.#buffer : this.#buffer.slice(0, this.#byteLength)
    this.clear()
    return whole
  }

  clear(): void {
    this.#buffer = new Uint8Array(0)
    this.#byteLength = 0
  }
}
