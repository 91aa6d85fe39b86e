import { labelledHash } from '@holdfast/hash'
import { equalBytes, HoldfastError } from '@holdfast/ports'
import { decodeBase32, encodeBase32 } from './base32.ts'
import { SEED_BYTES, seedOf, signingKeyFromSeed, type SigningKey } from './signing.ts'

/** What a key text begins with; the digit is its format's version. */
export const OPERATOR_KEY_MARK = 'HFOP1'
/** A key text or sheet is at most this long, characters. */
export const OPERATOR_KEY_TEXT_MAX = 65536

const CHECKSUM_BYTES = 5
const GROUP_CHARACTERS = 5
const KEY_CHARACTERS = Math.ceil(((SEED_BYTES + CHECKSUM_BYTES) * 8) / 5)
/** Characters after a mark that are looked at: the key with generous white space between. */
const KEY_TEXT_SPAN = 512
const CHECKSUM_LABEL = 'holdfast operator key checksum'

/** The operator key as twelve groups of five characters after the mark, joined by `-`: seed and checksum in base 32. */
export function formatOperatorKey(key: SigningKey): string {
  const seed = seedOf(key)
  const characters = encodeBase32(Buffer.concat([seed, checksumOf(seed)]))
  const groups = characters.match(new RegExp(`.{1,${GROUP_CHARACTERS}}`, 'g')) ?? []
  return [OPERATOR_KEY_MARK, ...groups].join('-')
}

/** Finds the key in a recovery sheet, or takes the bare key: lines, spaces, hyphens and case do not matter.
 *  @throws HF_OPERATOR_KEY if there is none, or its checksum says it was mistyped */
export function parseOperatorKey(text: string): SigningKey {
  const marks = text.length > OPERATOR_KEY_TEXT_MAX ? [] : [...text.matchAll(new RegExp(OPERATOR_KEY_MARK, 'gi'))]
  if (marks.length === 0) {
    throw new HoldfastError('HF_OPERATOR_KEY', 'there is no operator key in this text', {
      next: `give the recovery sheet, or its line that begins with ${OPERATOR_KEY_MARK}`,
    })
  }
  for (const mark of marks) {
    const seed = seedAfter(text.slice(mark.index + OPERATOR_KEY_MARK.length))
    if (seed !== undefined) return signingKeyFromSeed(seed)
  }
  throw new HoldfastError('HF_OPERATOR_KEY', 'the operator key is mistyped or cut short: its checksum does not fit', {
    next: 'compare it with the recovery sheet group by group',
  })
}

function seedAfter(text: string): Uint8Array | undefined {
  const characters = text.slice(0, KEY_TEXT_SPAN).replace(/[\s-]+/g, '')
  const bytes = decodeBase32(characters.slice(0, KEY_CHARACTERS))
  if (bytes?.byteLength !== SEED_BYTES + CHECKSUM_BYTES) return undefined
  const seed = bytes.subarray(0, SEED_BYTES)
  return equalBytes(bytes.subarray(SEED_BYTES), checksumOf(seed)) ? seed : undefined
}

const checksumOf = (seed: Uint8Array): Uint8Array => labelledHash(CHECKSUM_LABEL, seed).subarray(0, CHECKSUM_BYTES)
