/** Crockford's base 32: no I, L, O, U, so that people copy it from paper without mistakes. Source: crockford.com/base32.html */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const BITS = 5

export function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  let pending = 0
  let bits = 0
  for (const byte of bytes) {
    pending = (pending << 8) | byte
    bits += 8
    while (bits >= BITS) {
      bits -= BITS
      text += ALPHABET[(pending >>> bits) & 31]
    }
    pending &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + ALPHABET[(pending << (BITS - bits)) & 31]
}

/** Bytes of the text, case and the look-alikes O, I, L aside; undefined if it has another character or stray bits. */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * BITS) / 8))
  let pending = 0
  let bits = 0
  let at = 0
  for (const character of text.toUpperCase()) {
    const value = ALPHABET.indexOf(LOOK_ALIKES[character] ?? character)
    if (value < 0) return undefined
    pending = (pending << BITS) | value
    bits += BITS
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = pending >>> bits
    pending &= (1 << bits) - 1
  }
  return pending === 0 && bits < BITS ? bytes : undefined
}

const LOOK_ALIKES: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' }
