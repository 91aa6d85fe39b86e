/** Codecs that are put together from smaller ones. What they decode has one form: no other bytes decode to the same value. */
import * as c from 'compact-encoding'
import { decodeAll, readByte, readBytes, readLengthAndBytes, readUint, readVersion } from './reader.ts'
import type { Reader } from './reader.ts'

/** Where an encoder stands: compact-encoding's state. `end` grows while lengths are added up, then there is a buffer. */
export interface CodecState {
  start: number
  end: number
  buffer: Uint8Array | null
}

export interface Codec<T> {
  preencode(state: CodecState, value: T): void
  encode(state: CodecState, value: T): void
  /** @throws RangeError for anything that no encoder writes */
  decode(reader: Reader): T
}

/** 0 to 2^53 − 1. */
export const uint: Codec<number> = {
  preencode: (state, value) => c.uint.preencode(state, value),
  encode: (state, value) => c.uint.encode(state, value),
  decode: readUint,
}

export const bool: Codec<boolean> = {
  preencode: (state) => c.uint8.preencode(state, 0),
  encode: (state, value) => c.uint8.encode(state, value ? 1 : 0),
  decode(reader) {
    const value = readByte(reader)
    if (value > 1) throw new RangeError('a flag that is neither 0 nor 1')
    return value === 1
  },
}

/** Exactly `length` bytes, copied. */
export function fixed<T extends Uint8Array = Uint8Array>(length: number, brand: (bytes: Uint8Array) => T): Codec<T> {
  const inner = c.fixed(length)
  return {
    preencode: (state, value) => inner.preencode(state, value),
    encode: (state, value) => inner.encode(state, value),
    decode: (reader) => brand(readBytes(reader, length).slice()),
  }
}

export const plain = (value: Uint8Array): Uint8Array => value
export const hash32 = fixed(32, plain)
export const signature64 = fixed(64, plain)

/** Up to `max` bytes behind their length, a view of what is decoded: for large ones that are used or copied at once. */
export function view(max: number): Codec<Uint8Array> {
  return {
    preencode(state, value) {
      uint.preencode(state, value.byteLength)
      state.end += value.byteLength
    },
    encode(state, value) {
      uint.encode(state, value.byteLength)
      state.buffer?.set(value, state.start)
      state.start += value.byteLength
    },
    decode: (reader) => readLengthAndBytes(reader, max),
  }
}

/** Up to `max` bytes behind their length, copied. */
export function bytes(max: number): Codec<Uint8Array> {
  const inner = view(max)
  return { ...inner, decode: (reader) => inner.decode(reader).slice() }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 text of up to `max` bytes. */
export function text(max: number): Codec<string> {
  return {
    preencode: (state, value) => c.utf8.preencode(state, value),
    encode: (state, value) => c.utf8.encode(state, value),
    decode: (reader) => UTF8.decode(readLengthAndBytes(reader, max)),
  }
}

/** Up to `max` items behind their count. */
export function list<T>(item: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    preencode(state, values) {
      uint.preencode(state, values.length)
      for (const value of values) item.preencode(state, value)
    },
    encode(state, values) {
      uint.encode(state, values.length)
      for (const value of values) item.encode(state, value)
    },
    decode(reader) {
      const count = readUint(reader)
      if (count > max) throw new RangeError(`${count} items where at most ${max} are allowed`)
      const values: T[] = []
      for (let index = 0; index < count; index++) values.push(item.decode(reader))
      return values
    },
  }
}

/** A flag, then the value if there is one. */
export function optional<T>(inner: Codec<T>): Codec<T | undefined> {
  return {
    preencode(state, value) {
      bool.preencode(state, value !== undefined)
      if (value !== undefined) inner.preencode(state, value)
    },
    encode(state, value) {
      bool.encode(state, value !== undefined)
      if (value !== undefined) inner.encode(state, value)
    },
    decode: (reader) => (bool.decode(reader) ? inner.decode(reader) : undefined),
  }
}

/** One of a fixed list of words, as its index in a byte. The order of the list is part of the format. */
export function word<T extends string>(words: readonly T[]): Codec<T> {
  return {
    preencode: (state) => c.uint8.preencode(state, 0),
    encode: (state, value) => c.uint8.encode(state, words.indexOf(value)),
    decode(reader) {
      const value = words[readByte(reader)]
      if (value === undefined) throw new RangeError('an unknown word')
      return value
    },
  }
}

/** Fields in the order given, which is part of the format. An absent optional field stays absent. */
export function struct<T extends object>(fields: { readonly [K in keyof T]-?: Codec<T[K]> }): Codec<T> {
  // Object.keys loses the type that the parameter proves.
  const names = Object.keys(fields) as (keyof T)[]
  return {
    preencode(state, value) {
      for (const name of names) fields[name].preencode(state, value[name])
    },
    encode(state, value) {
      for (const name of names) fields[name].encode(state, value[name])
    },
    decode(reader) {
      const value: Partial<T> = {}
      for (const name of names) {
        const field = fields[name].decode(reader)
        if (field !== undefined) value[name] = field
      }
      return value as T
    },
  }
}

/** A union told apart by `type`: the index of the type in a byte, then the fields. The order of the variants is part of the format. */
export function union<T extends { readonly type: string }>(variants: {
  readonly [K in T['type']]: Codec<Omit<Extract<T, { type: K }>, 'type'>>
}): Codec<T> {
  const types = Object.keys(variants) as T['type'][]
  const tag = word(types)
  // Each variant's codec fits the values of its own type only; the tag proves which one it is.
  const codecOf = (type: T['type']): Codec<object> => variants[type]
  return {
    preencode(state, value) {
      tag.preencode(state, value.type)
      codecOf(value.type).preencode(state, value)
    },
    encode(state, value) {
      tag.encode(state, value.type)
      codecOf(value.type).encode(state, value)
    },
    decode(reader) {
      const type = tag.decode(reader)
      return { type, ...codecOf(type).decode(reader) } as unknown as T
    },
  }
}

/** The value behind its version byte. */
export function encodeVersioned<T>(version: number, codec: Codec<T>, value: T): Uint8Array {
  const state: CodecState = { start: 0, end: 1, buffer: null }
  codec.preencode(state, value)
  const buffer = new Uint8Array(state.end)
  buffer[0] = version
  state.start = 1
  state.buffer = buffer
  codec.encode(state, value)
  return buffer
}

/** The counterpart; takes only the bytes that `encodeVersioned` writes. @throws HF_DECODE, or `code` */
export function decodeVersioned<T>(
  version: number,
  codec: Codec<T>,
  encoded: Uint8Array,
  name: string,
  code: 'HF_DECODE' | 'HF_PEER_PROTOCOL' = 'HF_DECODE',
): T {
  return decodeAll(
    `a ${name}`,
    encoded,
    (reader) => {
      readVersion(reader, version)
      return codec.decode(reader)
    },
    code,
  )
}
