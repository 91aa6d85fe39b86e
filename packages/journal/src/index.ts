/** The signed log of records, its two implementations, and the catalog rebuilt from it. */
export type * from './catalog.ts'
export type * from './record.ts'
