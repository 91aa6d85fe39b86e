import { Buffer } from 'node:buffer'
import { deriveKey } from '@holdfast/hash'
import { HoldfastError, MIB, type Random } from '@holdfast/ports'
import sodium from 'sodium-native'
import { secretCopy, secretMemory, view, wipe } from './secret-memory.ts'

/** Argon2id passes. With 64 MiB the second choice of RFC 9106, section 4; about 0.2 s of one core. */
export const ARGON2_PASSES = 3
/** Memory of one derivation, bytes; held only while a passphrase is checked. */
export const ARGON2_MEMORY_BYTES = 64 * MIB
/** What a wrapped secret may ask for at most, so that a damaged file cannot exhaust the machine. */
export const ARGON2_PASSES_MAX = 16
export const ARGON2_MEMORY_BYTES_MAX = 512 * MIB
/** A key file is at least this long; ours have exactly this many random bytes. */
export const KEY_FILE_BYTES = 32
/** A wrapped secret is at most this long (64 KiB). */
export const WRAPPED_BYTES_MAX = 65536

/** What opens a wrapped secret. Passphrases are compared in Unicode form NFC, so that keyboards do not matter. */
export type Unlock = { readonly passphrase: string } | { readonly keyFile: Uint8Array }

const WRAP_VERSION = 1
const BY_KEY_FILE = 1
const BY_PASSPHRASE = 2
const SALT_BYTES = sodium.crypto_pwhash_SALTBYTES
const NONCE_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
const TAG_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES
const CIPHER_KEY_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_KEYBYTES
// version, method, passes (u32), memory in bytes (u32), salt, nonce: all of it is associated data.
const PASSES_OFFSET = 2
const MEMORY_OFFSET = 6
const SALT_OFFSET = 10
const NONCE_OFFSET = SALT_OFFSET + SALT_BYTES
const HEADER_BYTES = NONCE_OFFSET + NONCE_BYTES
const KEY_FILE_CONTEXT = 'holdfast 2026 wrapping by key file'

/** Encrypts a secret (XChaCha20-Poly1305) under a passphrase (Argon2id) or a key file (BLAKE3 derive-key).
 *  @throws HF_BAD_INPUT for an empty passphrase or a short key file */
export function wrapSecret(secret: Uint8Array, unlock: Unlock, random: Random): Uint8Array {
  const byPassphrase = 'passphrase' in unlock
  if (byPassphrase && unlock.passphrase.length === 0) throw new HoldfastError('HF_BAD_INPUT', 'the passphrase is empty')
  if (!byPassphrase && unlock.keyFile.byteLength < KEY_FILE_BYTES) {
    throw new HoldfastError('HF_BAD_INPUT', `a key file has at least ${KEY_FILE_BYTES} bytes`)
  }
  const wrapped = Buffer.alloc(HEADER_BYTES + secret.byteLength + TAG_BYTES)
  if (wrapped.byteLength > WRAPPED_BYTES_MAX) throw new TypeError('the secret is too long to wrap')
  wrapped[0] = WRAP_VERSION
  wrapped[1] = byPassphrase ? BY_PASSPHRASE : BY_KEY_FILE
  wrapped.writeUInt32LE(byPassphrase ? ARGON2_PASSES : 0, PASSES_OFFSET)
  wrapped.writeUInt32LE(byPassphrase ? ARGON2_MEMORY_BYTES : 0, MEMORY_OFFSET)
  wrapped.set(random.bytes(SALT_BYTES), SALT_OFFSET)
  wrapped.set(random.bytes(NONCE_BYTES), NONCE_OFFSET)
  const header = wrapped.subarray(0, HEADER_BYTES)
  const nonce = wrapped.subarray(NONCE_OFFSET, HEADER_BYTES)
  const key = wrappingKey(header, unlock)
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
    wrapped.subarray(HEADER_BYTES),
    view(secret),
    header,
    null,
    nonce,
    key,
  )
  return wrapped
}

/** How a wrapped secret is opened, to know whether to ask for a passphrase. @throws HF_DECODE */
export function unlockMethod(wrapped: Uint8Array): 'passphrase' | 'key-file' {
  checkHeader(wrapped)
  return wrapped[1] === BY_PASSPHRASE ? 'passphrase' : 'key-file'
}

/** The secret, in locked memory. @throws HF_WRONG_KEY for a wrong passphrase or key file, or altered bytes; HF_DECODE for bytes that are no wrapped secret */
export function unwrapSecret(wrapped: Uint8Array, unlock: Unlock): Uint8Array {
  const method = unlockMethod(wrapped)
  if (method !== ('passphrase' in unlock ? 'passphrase' : 'key-file')) {
    const needed = method === 'passphrase' ? 'a passphrase' : 'a key file'
    throw new HoldfastError('HF_WRONG_KEY', `this is opened by ${needed}, which was not given`)
  }
  const bytes = view(wrapped)
  const header = bytes.subarray(0, HEADER_BYTES)
  const nonce = bytes.subarray(NONCE_OFFSET, HEADER_BYTES)
  const key = wrappingKey(header, unlock)
  const secret = secretMemory(bytes.byteLength - HEADER_BYTES - TAG_BYTES)
  try {
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(secret, null, bytes.subarray(HEADER_BYTES), header, nonce, key)
  } catch (cause) {
    throw new HoldfastError(
      'HF_WRONG_KEY',
      `the ${method === 'passphrase' ? 'passphrase' : 'key file'} does not open this`,
      { cause },
    )
  }
  return secret
}

function checkHeader(wrapped: Uint8Array): void {
  const bytes = view(wrapped)
  const long = bytes.byteLength > HEADER_BYTES + TAG_BYTES && bytes.byteLength <= WRAPPED_BYTES_MAX
  const known = long && bytes[0] === WRAP_VERSION && (bytes[1] === BY_KEY_FILE || bytes[1] === BY_PASSPHRASE)
  const bounded =
    known &&
    bytes.readUInt32LE(PASSES_OFFSET) <= ARGON2_PASSES_MAX &&
    bytes.readUInt32LE(MEMORY_OFFSET) <= ARGON2_MEMORY_BYTES_MAX
  if (!bounded) throw new HoldfastError('HF_DECODE', 'these bytes are not a wrapped secret')
}

function wrappingKey(header: Buffer, unlock: Unlock): Buffer {
  const salt = header.subarray(SALT_OFFSET, NONCE_OFFSET)
  if ('keyFile' in unlock) {
    const derived = deriveKey(KEY_FILE_CONTEXT, Buffer.concat([salt, unlock.keyFile]))
    const key = secretCopy(derived)
    wipe(derived)
    return key
  }
  const key = secretMemory(CIPHER_KEY_BYTES)
  const passphrase = secretCopy(Buffer.from(unlock.passphrase.normalize('NFC'), 'utf8'))
  const passes = header.readUInt32LE(PASSES_OFFSET)
  const memoryBytes = header.readUInt32LE(MEMORY_OFFSET)
  try {
    sodium.crypto_pwhash(key, passphrase, salt, passes, memoryBytes, sodium.crypto_pwhash_ALG_ARGON2ID13)
  } catch (cause) {
    throw new HoldfastError('HF_WRONG_KEY', 'the passphrase could not be checked', { cause })
  }
  return key
}
