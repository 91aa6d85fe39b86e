/**
 * Names are bytes; people and JSON need text. UTF-8 stays as it is. Written as `%XX`: bytes that are not part of valid
 * UTF-8, control characters (a name must not move the cursor or start a line), and a `%` that would otherwise read as such
 * an escape. Everything else is literal, so that a file named `a%20b` is typed as it is listed. `pathOfText` undoes it.
 */
import type { PathField } from './vocabulary.ts'

/** Exact for UTF-8; `pathBytes` beside it when the bytes are not. */
export function pathField(bytes: Uint8Array): PathField {
  const text = utf8(bytes)
  if (text !== undefined) return { path: text }
  return { path: pathText(bytes), pathBytes: Buffer.from(bytes).toString('base64') }
}

/** The bytes that a `PathField` names. */
export function bytesOfField(field: PathField): Uint8Array {
  return field.pathBytes === undefined
    ? new TextEncoder().encode(field.path)
    : new Uint8Array(Buffer.from(field.pathBytes, 'base64'))
}

/** Text of one line, for people and for `VOLUME:PATH`. */
export function pathText(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.byteLength;) {
    const length = sequenceLength(bytes, at)
    const sequence = bytes.subarray(at, at + Math.max(length, 1))
    const piece = length === 0 ? undefined : utf8(sequence)
    if (piece === undefined) {
      text += escape(bytes.subarray(at, at + 1))
      at += 1
      continue
    }
    text += CONTROL.test(piece) || (piece === '%' && readsAsEscape(bytes, at)) ? escape(sequence) : piece
    at += length
  }
  return text
}

/** The bytes of a path as a person typed it. */
export function pathOfText(text: string): Uint8Array {
  const parts: Buffer[] = []
  let end = 0
  for (const match of text.matchAll(ESCAPE)) {
    parts.push(Buffer.from(text.slice(end, match.index)), Buffer.from(match[0].slice(1), 'hex'))
    end = match.index + match[0].length
  }
  parts.push(Buffer.from(text.slice(end)))
  return new Uint8Array(Buffer.concat(parts))
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

// C0, DEL and C1; line and paragraph separator would end a line in some terminals and editors.
const CONTROL = /[\p{Cc}\u2028\u2029]/u
/** Only what `pathText` writes: control bytes, `%25`, DEL, and everything from 80 up. */
const ESCAPE = /%(?:[01][0-9a-f]|25|7f|[89a-f][0-9a-f])/gi
const BEGINS_AS_ESCAPE = new RegExp(`^${ESCAPE.source}`, 'i')

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

/** Length that the first byte of a UTF-8 sequence announces; 0 if none begins there or it is cut off. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  return at + length <= bytes.byteLength ? length : 0
}

const readsAsEscape = (bytes: Uint8Array, at: number): boolean =>
  BEGINS_AS_ESCAPE.test(String.fromCharCode(...bytes.subarray(at, at + 3)))

const escape = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
