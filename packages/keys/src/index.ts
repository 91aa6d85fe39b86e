/** Signatures, sealed boxes, key rings with their subkeys, wrapping by passphrase or key file, and the recovery sheet.
 *  Secrets lie in sodium's locked memory. */
export * from './key-ring.ts'
export { formatOperatorKey, parseOperatorKey } from './operator-key.ts'
export { renderRecoverySheet } from './recovery-sheet.ts'
export * from './sealed-box.ts'
export * from './signing.ts'
export * from './volume-keys.ts'
export * from './wrapping.ts'
