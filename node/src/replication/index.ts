/** Replication of a node: keeps the peers connected, follows and serves journals, fetches and serves chunks, exchanges
 *  acks and the charter. */
export * from './types.ts'
