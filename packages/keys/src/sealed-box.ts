import sodium from 'sodium-native'
import { secretMemory, view } from './secret-memory.ts'
import { PUBLIC_KEY_BYTES, type SigningKey } from './signing.ts'

/** Bytes that sealing adds: an ephemeral public key and a tag. */
export const SEALED_OVERHEAD_BYTES = sodium.crypto_box_SEALBYTES

/** Seals bytes for the holder of an Ed25519 key (converted to X25519; libsodium's sealed box). Only that holder can open
 *  them; who sealed them is not proved. The result differs at each call. @throws TypeError if the key is not a valid one */
export function sealTo(publicKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  const boxKey = new Uint8Array(sodium.crypto_box_PUBLICKEYBYTES)
  if (publicKey.byteLength !== PUBLIC_KEY_BYTES) throw new TypeError('a public key has 32 bytes')
  try {
    sodium.crypto_sign_ed25519_pk_to_curve25519(view(boxKey), view(publicKey))
  } catch (cause) {
    throw new TypeError('not an Ed25519 public key', { cause })
  }
  const sealed = new Uint8Array(bytes.byteLength + SEALED_OVERHEAD_BYTES)
  sodium.crypto_box_seal(view(sealed), view(bytes), view(boxKey))
  return sealed
}

/** What was sealed to this key, in locked memory; undefined if it was sealed to another key or altered. */
export function openSealed(key: SigningKey, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.byteLength <= SEALED_OVERHEAD_BYTES) return undefined
  const boxPublicKey = new Uint8Array(sodium.crypto_box_PUBLICKEYBYTES)
  const boxSecretKey = secretMemory(sodium.crypto_box_SECRETKEYBYTES)
  sodium.crypto_sign_ed25519_pk_to_curve25519(view(boxPublicKey), view(key.publicKey))
  sodium.crypto_sign_ed25519_sk_to_curve25519(boxSecretKey, view(key.secretKey))
  const opened = secretMemory(sealed.byteLength - SEALED_OVERHEAD_BYTES)
  return sodium.crypto_box_seal_open(opened, view(sealed), view(boxPublicKey), boxSecretKey) ? opened : undefined
}
