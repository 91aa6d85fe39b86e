/** One test suite per port. */
export * from './clock/clock.contract.ts'
export * from './random/random.contract.ts'
export * from './transport/transport.contract.ts'
export * from './drive/index.ts'
export * from './journal-log/index.ts'
export * from './chunk-store/index.ts'
export { decoderContract } from './decoder/decoder.contract.ts'
