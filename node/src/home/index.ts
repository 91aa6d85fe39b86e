/** The directory that makes a machine a node: identity, keys, charter, lock and place. */
export { createHome, Home, needsPassphrase, openHome, prepareHome, readIdentity } from './home.ts'
export { syncDirectory } from './durable-file.ts'
export type { Identity } from './identity.ts'
export type { NewHome } from './home.ts'
