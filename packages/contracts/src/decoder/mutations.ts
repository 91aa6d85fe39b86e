import * as fc from 'fast-check'

/** One change to an encoding; places are fractions of its length. */
type Mutation = (bytes: Uint8Array) => Uint8Array

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const at = (bytes: Uint8Array, fraction: number): number => Math.floor(fraction * (bytes.byteLength + 1))

/** Lengths and counts at their extremes: little- and big-endian integers of 1, 2, 4 and 8 bytes, and compact-encoding's. */
const EXTREMES = [
  '00',
  '01',
  '7f',
  '80',
  'fc',
  'ff',
  '0000',
  'ffff',
  'ff7f',
  '00000000',
  'ffffffff',
  'ffffff7f',
  '7fffffff',
]
  .concat([
    '0100000000000000',
    'ffffffffffffffff',
    'ffffffffffff1f00',
    '0020000000000000',
    'fdffff',
    'fdfc00',
    'fd0000',
  ])
  .concat(['feffffffff', 'fe00000001', 'ffffffffffffffffff', 'ff00000000000020ff'])
  .map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))

const flip = fc.tuple(place, fc.nat(7)).map(([where, bit]): Mutation => (bytes) => {
  const copy = Uint8Array.from(bytes)
  const index = at(bytes, where)
  if (index < copy.byteLength) copy[index] = (copy[index] ?? 0) ^ (1 << bit)
  return copy
})

const truncate = place.map(
  (where): Mutation =>
    (bytes) =>
      bytes.slice(0, at(bytes, where)),
)

const insert = fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 40 })).map(
  ([where, extra]): Mutation =>
    (bytes) =>
      spliced(bytes, at(bytes, where), 0, extra),
)

const overwrite = fc.tuple(place, fc.constantFrom(...EXTREMES)).map(
  ([where, extreme]): Mutation =>
    (bytes) =>
      spliced(bytes, at(bytes, where), extreme.byteLength, extreme),
)

const repeat = fc
  .tuple(place, place, fc.integer({ min: 1, max: 8 }))
  .map(([one, other, times]): Mutation => (bytes) => {
    const [from, to] = [at(bytes, Math.min(one, other)), at(bytes, Math.max(one, other))]
    const part = bytes.subarray(from, Math.min(to, from + 256))
    return spliced(bytes, to, 0, Buffer.concat(Array.from({ length: times }, () => part)))
  })

function spliced(bytes: Uint8Array, start: number, removed: number, added: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([bytes.subarray(0, start), added, bytes.subarray(start + removed)]))
}

/** Any of the encodings after one to four changes. */
export function mutated(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.oneof(flip, truncate, insert, overwrite, overwrite, repeat), {
    minLength: 1,
    maxLength: 4,
  })
  return fc
    .tuple(fc.constantFrom(...valid), changes)
    .map(([encoding, list]) => list.reduce((bytes, change) => change(bytes), encoding))
}
