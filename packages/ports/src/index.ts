/** The interfaces between the parts of Holdfast, its error class with the codes, branded ids and units. Depends on nothing. */
export * from './chunk-store.ts'
export * from './clock.ts'
export * from './drive.ts'
export * from './errors.ts'
export * from './ids.ts'
export * from './journal-log.ts'
export * from './transport.ts'
export * from './units.ts'
