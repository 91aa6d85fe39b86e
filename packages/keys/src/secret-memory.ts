import { Buffer } from 'node:buffer'
import sodium from 'sodium-native'

/** A Buffer over the same bytes, which sodium's types ask for. */
export const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Zeroed memory that is locked (not swapped out), guarded, and wiped when it is collected; each piece costs four pages. */
export function secretMemory(byteLength: number): Buffer {
  return sodium.sodium_malloc(byteLength)
}

/** A copy in locked memory. */
export function secretCopy(bytes: Uint8Array): Buffer {
  const copy = secretMemory(bytes.byteLength)
  copy.set(bytes)
  return copy
}

/** Overwrites with zeros, in a way that is not optimised out. */
export function wipe(bytes: Uint8Array): void {
  sodium.sodium_memzero(view(bytes))
}
