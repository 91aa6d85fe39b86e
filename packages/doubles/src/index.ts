/** In-memory clock, randomness, drive, index and transport, as strict as the real ones: bounded, back-pressured, copying, abortable. */
export * from './clock/manual-clock.ts'
export * from './random/seeded-random.ts'
export * from './transport/memory-network.ts'
export * from './drive/index.ts'
export { MemoryIndex } from './index-database/memory-index.ts'
