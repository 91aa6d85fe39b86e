/** The daemon: composes the packages into a node, with its control API; makes new nodes. */
export { configValues, readConfig } from './config/index.ts'
export { needsPassphrase } from './home/index.ts'
export { initNode, joinNode } from './new-node.ts'
export { startNode } from './node.ts'
