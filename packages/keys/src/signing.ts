import { labelledHash } from '@holdfast/hash'
import type { Random } from '@holdfast/ports'
import sodium from 'sodium-native'
import { secretCopy, secretMemory, view, wipe } from './secret-memory.ts'

export const PUBLIC_KEY_BYTES = 32
export const SEED_BYTES = 32
export const SIGNATURE_BYTES = 64

/** An Ed25519 key pair. The secret half (seed ‖ public key) lies in locked memory. */
export interface SigningKey {
  /** 32 bytes; a node's id is this key. */
  readonly publicKey: Uint8Array
  /** 64 bytes, libsodium's form. */
  readonly secretKey: Uint8Array
}

/** The key pair of a seed of 32 bytes. The seed is not kept; the caller wipes it. */
export function signingKeyFromSeed(seed32: Uint8Array): SigningKey {
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES)
  const secretKey = secretMemory(sodium.crypto_sign_SECRETKEYBYTES)
  sodium.crypto_sign_seed_keypair(view(publicKey), secretKey, view(seed32))
  return Object.freeze({ publicKey, secretKey })
}

/** A new key pair, its seed drawn from `random`. */
export function createSigningKey(random: Random): SigningKey {
  const seed = random.bytes(SEED_BYTES)
  const key = signingKeyFromSeed(seed)
  wipe(seed)
  return key
}

/** The seed that `signingKeyFromSeed` makes this key of: 32 bytes in locked memory. */
export function seedOf(key: SigningKey): Uint8Array {
  return secretCopy(key.secretKey.subarray(0, SEED_BYTES))
}

/** Ed25519 signature (64 bytes) over BLAKE3(label ‖ 0 ‖ bytes). The label keeps what is signed for one purpose from counting for another. */
export function sign(key: SigningKey, label: string, bytes: Uint8Array): Uint8Array {
  return signRaw(key, labelledHash(label, bytes))
}

/** Whether `signature` is by `publicKey` over these bytes under this label. False for malformed keys and signatures. */
export function verify(publicKey: Uint8Array, label: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  return verifyRaw(publicKey, labelledHash(label, bytes), signature)
}

/** Ed25519 over the message itself, without a label: only for journal heads, whose form hypercore fixes. */
export function signRaw(key: SigningKey, message: Uint8Array): Uint8Array {
  const signature = new Uint8Array(SIGNATURE_BYTES)
  sodium.crypto_sign_detached(view(signature), view(message), view(key.secretKey))
  return signature
}

/** The counterpart of `signRaw`. */
export function verifyRaw(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.byteLength !== PUBLIC_KEY_BYTES || signature.byteLength !== SIGNATURE_BYTES) return false
  return sodium.crypto_sign_verify_detached(view(signature), view(message), view(publicKey))
}
