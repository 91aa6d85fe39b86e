/** The transport port on libp2p: authenticated, encrypted, admitted, with back-pressure that holds. */
export { createLibp2pTransport } from './libp2p-transport.ts'
export type { Libp2pTransportOptions } from './libp2p-transport.ts'
