/** Replication of a node: keeps the peers connected, follows and serves journals, fetches and serves chunks, exchanges
 *  acks and the charter. */
import { CHUNKS_PROTOCOL, CREDIT_BYTES_MAX } from '@holdfast/replication'

export { requestJoin } from './join.ts'
export { receiveCharter } from './receive-charter.ts'
export { createReplication } from './replication.ts'
export * from './types.ts'

/** Windows to give to the transport: chunks are asked for by credit, and the stream must not hold them to less. */
export const TRANSPORT_WINDOW_BYTES: Readonly<Record<string, number>> = { [CHUNKS_PROTOCOL]: CREDIT_BYTES_MAX }
