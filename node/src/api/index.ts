/** The control API as both sides need it, without the server: the interface, what is on the wire, and how paths and times are written. Loads no library. */
export * from './iso-time.ts'
export * from './path-text.ts'
export * from './service.ts'
export { findSocket } from './socket-path.ts'
export * from './wire.ts'
