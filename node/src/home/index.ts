/** The directory that makes a machine a node: identity, keys, charter, lock and place. */
export { createHome, Home, needsPassphrase, openHome, readIdentity } from './home.ts'
export type { NewHome } from './home.ts'
