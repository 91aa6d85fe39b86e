/** Bounded codecs of what is stored, sent or signed, on compact-encoding: every list, text and byte string has a maximum, and
 *  decoding refuses all but the one form of a value, so that what is hashed has one form. */
export { ByteWriter } from './byte-writer.ts'
export * from './codec.ts'
export * from './reader.ts'
