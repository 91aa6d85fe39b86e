/** The directory that makes a machine a node: identity, keys, charter, lock and place. */
export { createHome, Home, HOME_FORMAT, needsPassphrase, openHome, readIdentity } from './home.ts'
export type { NewHome, StateName } from './home.ts'
export type { Identity } from './identity.ts'
