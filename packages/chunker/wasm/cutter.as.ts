// Finds where a segment ends. Two steps, because most bytes can be dismissed sixteen at a time:
//
//   prefilter  sum of the last eight bytes, each sent through a keyed substitution and weighted by 2^age, modulo 256,
//              computed in all lanes at once by three shift-and-double steps; one position in 256 equals the keyed target
//   confirm    a multiply-mix of the last 32 bytes under keyed multipliers, compared with a threshold
//
// So a candidate depends on the 32 bytes before it and on the key only, and cuts fall back in step soon after an edit.
// Compiled by scripts/build-wasm.mjs; test/reference.ts says the same, one byte at a time.

// Layout of the parameters, written by src/parameters.ts.
const SUBSTITUTION: usize = 0 // 16 bytes
const TARGET: usize = 16 // 16 equal bytes
const MULTIPLIERS: usize = 32 // 4 × u64, odd

/** Positions are dismissed in blocks of four vectors. */
const BLOCK: u32 = 64

/** Mix of the 32 bytes from `at`. */
function mix(parameters: usize, at: usize): u32 {
  const a = load<u64>(at, 0) * load<u64>(parameters, MULTIPLIERS)
  const b = load<u64>(at, 8) * load<u64>(parameters, MULTIPLIERS + 8)
  const c = load<u64>(at, 16) * load<u64>(parameters, MULTIPLIERS + 16)
  const d = load<u64>(at, 24) * load<u64>(parameters, MULTIPLIERS + 24)
  const x = (a ^ rotl<u64>(b, 23)) + (c ^ rotl<u64>(d, 41))
  return u32(((x ^ (x >> 29)) * 0xbf58476d1ce4e5b9) >> 32)
}

/** The sixteen bytes at `at` after the keyed substitution: a bijection, so that random bytes stay uniform. */
function substitute(substitution: v128, at: usize): v128 {
  const bytes = v128.load(at)
  return v128.xor(bytes, i8x16.swizzle(substitution, v128.and(bytes, i8x16.splat(15))))
}

/** `now` + 2 × the lanes one earlier, `before` being the vector ahead of `now`. */
function addOneEarlier(before: v128, now: v128): v128 {
  const earlier = v128.shuffle<u8>(before, now, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
  return i8x16.add(now, i8x16.shl(earlier, 1))
}

/** `now` + 4 × the lanes two earlier. */
function addTwoEarlier(before: v128, now: v128): v128 {
  const earlier = v128.shuffle<u8>(before, now, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29)
  return i8x16.add(now, i8x16.shl(earlier, 2))
}

/** `now` + 16 × the lanes four earlier. */
function addFourEarlier(before: v128, now: v128): v128 {
  const earlier = v128.shuffle<u8>(before, now, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27)
  return i8x16.add(now, i8x16.shl(earlier, 4))
}

/** End of the first segment that ends in (from, to], whole blocks only; 0 if none does. 32 bytes ahead of `from` are readable. */
function firstCut(parameters: usize, from: usize, to: usize, threshold: u32): usize {
  const substitution = v128.load(parameters, SUBSTITUTION)
  const target = v128.load(parameters, TARGET)
  // The sums of a vector need those of the one before; of that one only the last lanes matter, and they need no third.
  let ones = substitute(substitution, from - 16)
  let twos = addOneEarlier(i8x16.splat(0), ones)
  let fours = addTwoEarlier(i8x16.splat(0), twos)
  while (from + BLOCK <= to) {
    let hits: u64 = 0
    for (let vector: u32 = 0; vector < 4; vector++) {
      const one = substitute(substitution, from + (vector << 4))
      const two = addOneEarlier(ones, one)
      const four = addTwoEarlier(twos, two)
      const sum = addFourEarlier(fours, four)
      hits |= u64(u32(i8x16.bitmask(i8x16.eq(sum, target)))) << (vector << 4)
      ones = one
      twos = two
      fours = four
    }
    while (hits) {
      const last = from + usize(ctz(hits))
      if (mix(parameters, last - 31) < threshold) return last + 1
      hits &= hits - 1
    }
    from += BLOCK
  }
  return 0
}

/** Length of the segment that starts at `start`. Up to `normal` the `strict` threshold holds, then the `loose` one, up to `maximum`.
 *  `minimum` and `normal` are multiples of 64, `minimum` at least 64. */
export function cut(
  parameters: usize,
  start: usize,
  available: u32,
  minimum: u32,
  normal: u32,
  maximum: u32,
  strict: u32,
  loose: u32,
): u32 {
  if (available <= minimum) return available
  const end = min(available, maximum)
  const turn = min(normal, end & ~(BLOCK - 1))
  let found = firstCut(parameters, start + minimum, start + turn, strict)
  if (!found) found = firstCut(parameters, start + turn, start + end, loose)
  return found ? u32(found - start) : end
}
