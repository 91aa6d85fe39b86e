/**
 * What travels on one stream: frames of a 5-byte header (version and kind in one byte, then a 32-bit little-endian
 * number) and, for slices, that many bytes. A message is one or more slices, so that a large one does not hold up the
 * connection and credit for the other direction passes between its slices. Pure.
 */

/** Version of this framing, in the upper four bits of a frame's first byte. */
export const FRAMING_VERSION = 1
export const FRAME_HEADER_BYTES = 5
/** Largest slice, bytes. Measured: larger writes block other streams for their time on the wire. */
export const SLICE_BYTES_MAX = 64 * 1024
/** What a slice costs in credit beside its bytes, so that empty messages are bounded too. */
export const SLICE_OVERHEAD_BYTES = 128
/** Credit a sender has on a new stream, bytes; both ends know it. */
export const INITIAL_WINDOW_BYTES = 1024 * 1024

const KINDS = { slice: 1, 'last-slice': 2, credit: 3, end: 4 } as const
type Kind = keyof typeof KINDS
const KIND_OF = new Map<number, Kind>(Object.entries(KINDS).map(([kind, code]) => [code, kind as Kind]))

export type Frame =
  | {
      readonly kind: 'slice'
      readonly last: boolean
      readonly parts: readonly Uint8Array[]
      readonly byteLength: number
    }
  | { readonly kind: 'credit'; readonly bytes: number }
  | { readonly kind: 'end' }

/** A peer broke the framing. */
export class FramingError extends Error {}

function header(kind: Kind, value: number, bodyBytes = 0): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + bodyBytes)
  frame[0] = (FRAMING_VERSION << 4) | KINDS[kind]
  new DataView(frame.buffer).setUint32(1, value, true)
  return frame
}

export function encodeSlice(body: Uint8Array, last: boolean): Uint8Array {
  const frame = header(last ? 'last-slice' : 'slice', body.byteLength, body.byteLength)
  frame.set(body, FRAME_HEADER_BYTES)
  return frame
}

export const encodeCredit = (bytes: number): Uint8Array => header('credit', bytes)
export const encodeEnd = (): Uint8Array => header('end', 0)

/** Turns bytes, however they are cut, into frames. Keeps at most one slice. */
export class FrameDecoder {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerBytes = 0
  #kind: Kind | undefined
  #parts: Uint8Array[] = []
  #missingBytes = 0
  #sliceBytes = 0

  /** The slices' parts are views of `bytes`. @throws FramingError, after which the decoder is of no use */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = []
    let offset = 0
    while (offset < bytes.byteLength) {
      if (this.#kind === undefined) {
        const taken = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, bytes.byteLength - offset)
        this.#header.set(bytes.subarray(offset, offset + taken), this.#headerBytes)
        this.#headerBytes += taken
        offset += taken
        if (this.#headerBytes < FRAME_HEADER_BYTES) break
      } else {
        const taken = Math.min(this.#missingBytes, bytes.byteLength - offset)
        this.#parts.push(bytes.subarray(offset, offset + taken))
        this.#missingBytes -= taken
        offset += taken
      }
      const frame = this.#finished()
      if (frame) frames.push(frame)
    }
    return frames
  }

  #finished(): Frame | undefined {
    if (this.#kind === undefined) {
      const first = this.#header[0] ?? 0
      const value = new DataView(this.#header.buffer).getUint32(1, true)
      this.#headerBytes = 0
      if (first >> 4 !== FRAMING_VERSION) throw new FramingError(`framing version ${first >> 4}`)
      const kind = KIND_OF.get(first & 15)
      if (kind === 'credit') return { kind, bytes: value }
      if (kind === 'end' && value === 0) return { kind }
      if (kind !== 'slice' && kind !== 'last-slice') throw new FramingError(`frame kind ${first & 15}`)
      if (value > SLICE_BYTES_MAX) throw new FramingError(`a slice of ${value} bytes`)
      this.#kind = kind
      this.#missingBytes = value
      this.#sliceBytes = value
    }
    if (this.#missingBytes > 0) return undefined
    const frame: Frame = {
      kind: 'slice',
      last: this.#kind === 'last-slice',
      parts: this.#parts,
      byteLength: this.#sliceBytes,
    }
    this.#kind = undefined
    this.#parts = []
    return frame
  }
}
