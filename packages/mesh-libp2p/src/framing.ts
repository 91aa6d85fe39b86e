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
/** Largest window of a stream, bytes: a peer that gives more credit than this in all means no good. */
export const WINDOW_BYTES_MAX = 64 * 1024 * 1024

const KINDS = { slice: 1, 'last-slice': 2, credit: 3, end: 4 } as const
type Kind = keyof typeof KINDS
const KIND_OF = new Map<number, Kind>(Object.entries(KINDS).map(([kind, code]) => [code, kind as Kind]))

/** What a decoder gives, in the order in which it comes. */
export type Frame =
  /** A slice begins: `part`s with its bytes follow, at least one. */
  | { readonly kind: 'slice'; readonly last: boolean; readonly byteLength: number }
  | { readonly kind: 'part'; readonly bytes: Uint8Array; readonly end: boolean }
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

/** Turns bytes, however they are cut, into frames. Keeps nothing but a header that is not complete. */
export class FrameDecoder {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerBytes = 0
  /** Bytes of the present slice that are still to come; undefined between frames. */
  #missingBytes: number | undefined;

  /** The parts are views of `bytes`. @throws FramingError, after which the decoder is of no use */
  *push(bytes: Uint8Array): Generator<Frame> {
    let offset = 0
    while (offset < bytes.byteLength) {
      if (this.#missingBytes === undefined) {
        const taken = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, bytes.byteLength - offset)
        this.#header.set(bytes.subarray(offset, offset + taken), this.#headerBytes)
        this.#headerBytes += taken
        offset += taken
        if (this.#headerBytes < FRAME_HEADER_BYTES) return
        this.#headerBytes = 0
        const frame = parseHeader(this.#header)
        yield frame
        if (frame.kind !== 'slice') continue
        this.#missingBytes = frame.byteLength
      }
      const part = bytes.subarray(offset, offset + this.#missingBytes)
      offset += part.byteLength
      const end = part.byteLength === this.#missingBytes
      this.#missingBytes = end ? undefined : this.#missingBytes - part.byteLength
      if (end || part.byteLength > 0) yield { kind: 'part', bytes: part, end }
    }
  }
}

function parseHeader(header: Uint8Array): Frame {
  const first = header[0] ?? 0
  const value = new DataView(header.buffer).getUint32(1, true)
  if (first >> 4 !== FRAMING_VERSION) throw new FramingError(`framing version ${first >> 4}`)
  const kind = KIND_OF.get(first & 15)
  if (kind === 'credit') return { kind, bytes: value }
  if (kind === 'end' && value === 0) return { kind }
  if (kind !== 'slice' && kind !== 'last-slice') throw new FramingError(`frame kind ${first & 15}`)
  if (value > SLICE_BYTES_MAX) throw new FramingError(`a slice of ${value} bytes`)
  return { kind: 'slice', last: kind === 'last-slice', byteLength: value }
}
