/** Turns segments into chunks and back: fingerprint, bundle, compress, encrypt, name; open and verify. */
export * from './types.ts'
