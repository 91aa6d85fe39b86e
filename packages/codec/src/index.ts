/** Bounded codecs of what is stored, sent or signed, on compact-encoding: every list, text and byte string has a maximum, and
 *  decoding refuses all but the one form of a value, so that what is hashed has one form. */
import { equalBytes, HoldfastError } from '@holdfast/ports'
import * as c from 'compact-encoding'

/** Where an encoder or decoder stands: compact-encoding's state. */
export interface CodecState {
  start: number
  end: number
  buffer: Uint8Array | null
}

export interface Codec<T> {
  preencode(state: CodecState, value: T): void
  encode(state: CodecState, value: T): void
  decode(state: CodecState): T
}

export const uint: Codec<number> = c.uint
export const bool: Codec<boolean> = c.bool

/** Exactly `length` bytes, copied. */
export function fixed<T extends Uint8Array = Uint8Array>(length: number, brand: (bytes: Uint8Array) => T): Codec<T> {
  const inner = c.fixed(length)
  return { ...inner, decode: (state) => brand(new Uint8Array(inner.decode(state))) }
}

export const plain = (value: Uint8Array): Uint8Array => value
export const hash32 = fixed(32, plain)
export const signature64 = fixed(64, plain)

/** Up to `max` bytes with their length, copied. */
export function bytes(max: number): Codec<Uint8Array> {
  return {
    ...c.uint8array,
    decode: (state) => {
      const length = peekUint(state)
      if (length > max) throw new Error(`${length} bytes where at most ${max} are allowed`)
      return new Uint8Array(c.buffer.decode(state))
    },
  }
}

/** UTF-8 text of up to `max` bytes. */
export function text(max: number): Codec<string> {
  return {
    ...c.utf8,
    decode: (state) => {
      const length = peekUint(state)
      if (length > max) throw new Error(`text of ${length} bytes where at most ${max} are allowed`)
      return c.utf8.decode(state)
    },
  }
}

/** Up to `max` items with their count. */
export function list<T>(item: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    preencode(state, values) {
      c.uint.preencode(state, values.length)
      for (const value of values) item.preencode(state, value)
    },
    encode(state, values) {
      c.uint.encode(state, values.length)
      for (const value of values) item.encode(state, value)
    },
    decode(state) {
      const count = c.uint.decode(state)
      if (count > max) throw new Error(`${count} items where at most ${max} are allowed`)
      const values: T[] = []
      for (let index = 0; index < count; index++) values.push(item.decode(state))
      return values
    },
  }
}

/** A flag, then the value if there is one. */
export function optional<T>(inner: Codec<T>): Codec<T | undefined> {
  return {
    preencode(state, value) {
      c.bool.preencode(state, value !== undefined)
      if (value !== undefined) inner.preencode(state, value)
    },
    encode(state, value) {
      c.bool.encode(state, value !== undefined)
      if (value !== undefined) inner.encode(state, value)
    },
    decode: (state) => (c.bool.decode(state) ? inner.decode(state) : undefined),
  }
}

/** One of a fixed list of words, as its index in a byte. The order of the list is part of the format. */
export function word<T extends string>(words: readonly T[]): Codec<T> {
  return {
    preencode: (state) => c.uint8.preencode(state, 0),
    encode: (state, value) => c.uint8.encode(state, words.indexOf(value)),
    decode(state) {
      const value = words[c.uint8.decode(state)]
      if (value === undefined) throw new Error('unknown word')
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
    decode(state) {
      const value: Partial<T> = {}
      for (const name of names) {
        const field = fields[name].decode(state)
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
  // Each variant codec fits the values of its own type only; the tag proves which one it is.
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
    decode(state) {
      const type = tag.decode(state)
      return { type, ...codecOf(type).decode(state) } as unknown as T
    },
  }
}

/** The value after its version byte. */
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

/** The counterpart. Bytes that another encoding of the same value would give are refused: what is hashed has one form.
 *  @throws HF_DECODE */
export function decodeVersioned<T>(version: number, codec: Codec<T>, encoded: Uint8Array, name: string): T {
  if (encoded[0] !== version) throw new HoldfastError('HF_DECODE', `this is not a ${name} of version ${version}`)
  const state: CodecState = { start: 1, end: encoded.byteLength, buffer: encoded }
  let value: T
  try {
    value = codec.decode(state)
  } catch (cause) {
    throw new HoldfastError('HF_DECODE', `malformed ${name}`, { cause })
  }
  if (!equalBytes(encodeVersioned(version, codec, value), encoded)) {
    throw new HoldfastError('HF_DECODE', `malformed ${name}: not in canonical form`)
  }
  return value
}

function peekUint(state: CodecState): number {
  const start = state.start
  const value = c.uint.decode(state)
  state.start = start
  return value
}
