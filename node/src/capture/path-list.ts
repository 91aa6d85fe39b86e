/** Many paths as one array of bytes (a length of 32 bits before each, little-endian), to send them between threads without a
 *  copy or an object for each. */
export class PathListWriter {
  #bytes = new Uint8Array(FIRST_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #end = 0
  count = 0

  get byteLength(): number {
    return this.#end
  }

  add(path: Uint8Array): void {
    const end = this.#end + 4 + path.byteLength
    if (end > this.#bytes.byteLength) {
      const larger = new Uint8Array(2 * end)
      larger.set(this.#bytes.subarray(0, this.#end))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#view.setUint32(this.#end, path.byteLength, true)
    this.#bytes.set(path, this.#end + 4)
    this.#end = end
    this.count++
  }

  /** What was added; the writer is empty then. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#end)
    this.#end = 0
    this.count = 0
    return taken
  }
}

const FIRST_BYTES = 4096

export function packPaths(paths: Iterable<Uint8Array>): Uint8Array {
  const writer = new PathListWriter()
  for (const path of paths) writer.add(path)
  return writer.take()
}

/** The paths of a list; each a copy, the caller's to keep. */
export function* pathsOf(list: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength)
  for (let at = 0; at < list.byteLength;) {
    const end = at + 4 + view.getUint32(at, true)
    yield list.slice(at + 4, end)
    at = end
  }
}
