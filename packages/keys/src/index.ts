/** Signatures, sealed boxes, key rings with their subkeys, wrapping by passphrase or key file, and the recovery sheet.
 *  Secrets lie in sodium's locked memory. */
export * from './key-ring.ts'
export * from './sealed-box.ts'
export * from './signing.ts'
export * from './volume-keys.ts'
