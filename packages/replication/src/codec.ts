import { HoldfastError } from '@holdfast/ports'
import * as c from 'compact-encoding'

/** Codecs with bounds, on compact-encoding's state. Small things are copied out of a message; `bytes` are views of it. */
interface State {
  start: number
  end: number
  buffer: Uint8Array | null
}

export interface Codec<T> {
  preencode(state: State, value: T): void
  encode(state: State, value: T): void
  /** @throws Error for anything that no encoder writes */
  decode(state: State): T
}

/** 0 to 2^53 - 1. */
export const uint: Codec<number> = {
  ...c.uint,
  decode(state) {
    const value = c.uint.decode(state)
    if (!Number.isSafeInteger(value)) throw new RangeError('a number above 2^53')
    return value
  },
}

export const bool: Codec<boolean> = {
  preencode: (state) => c.uint8.preencode(state, 0),
  encode: (state, value) => c.uint8.encode(state, value ? 1 : 0),
  decode(state) {
    const value = c.uint8.decode(state)
    if (value > 1) throw new RangeError('a flag that is neither 0 nor 1')
    return value === 1
  },
}

/** Exactly `length` bytes, copied. */
export function fixed<T extends Uint8Array = Uint8Array>(length: number, brand: (bytes: Uint8Array) => T): Codec<T> {
  const inner = c.fixed(length)
  return {
    ...inner,
    decode: (state) => brand(Uint8Array.from(inner.decode(state))),
  }
}

const plain = (value: Uint8Array): Uint8Array => value
export const hash32 = fixed(32, plain)
export const signature64 = fixed(64, plain)

/** Up to `max` bytes behind their length, a view. */
export function bytes(max: number): Codec<Uint8Array> {
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
    decode(state) {
      const length = uint.decode(state)
      if (length > max) throw new RangeError(`${length} bytes where at most ${max} are allowed`)
      if (!state.buffer || state.end - state.start < length) throw new RangeError('too short')
      return state.buffer.subarray(state.start, (state.start += length))
    },
  }
}

/** UTF-8 text of up to `max` bytes. */
export function text(max: number): Codec<string> {
  const inner = bytes(max)
  return {
    ...c.utf8,
    decode: (state) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(inner.decode(state)),
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
    decode(state) {
      const count = uint.decode(state)
      if (count > max) throw new RangeError(`${count} items where at most ${max} are allowed`)
      const values: T[] = []
      for (let index = 0; index < count; index++) values.push(item.decode(state))
      return values
    },
  }
}

/** One of a fixed list of words, as its index in a byte. The order of the list is part of the format. */
export function word<T extends string>(words: readonly T[]): Codec<T> {
  return {
    preencode: (state) => c.uint8.preencode(state, 0),
    encode: (state, value) => c.uint8.encode(state, words.indexOf(value)),
    decode(state) {
      const value = words[c.uint8.decode(state)]
      if (value === undefined) throw new RangeError('an unknown word')
      return value
    },
  }
}

/** Fields in the order given, which is part of the format. */
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
      for (const name of names) value[name] = fields[name].decode(state)
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
    decode(state) {
      const type = tag.decode(state)
      return { type, ...codecOf(type).decode(state) } as unknown as T
    },
  }
}

/** The value behind the version byte. */
export function encodeVersioned<T>(version: number, codec: Codec<T>, value: T): Uint8Array {
  const state: State = { start: 0, end: 1, buffer: null }
  codec.preencode(state, value)
  const buffer = new Uint8Array(state.end)
  buffer[0] = version
  state.start = 1
  state.buffer = buffer
  codec.encode(state, value)
  return buffer
}

/** The counterpart. @throws HF_PEER_PROTOCOL: what is decoded here was sent by a peer */
export function decodeVersioned<T>(version: number, codec: Codec<T>, encoded: Uint8Array, name: string): T {
  if (encoded[0] !== version) throw new HoldfastError('HF_PEER_PROTOCOL', `not a ${name} of version ${version}`)
  const state: State = { start: 1, end: encoded.byteLength, buffer: encoded }
  try {
    const value = codec.decode(state)
    if (state.start !== state.end) throw new RangeError(`${state.end - state.start} bytes too many`)
    return value
  } catch (cause) {
    throw new HoldfastError('HF_PEER_PROTOCOL', `malformed ${name}`, { cause })
  }
}
