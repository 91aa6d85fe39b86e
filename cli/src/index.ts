/** The command line: parse, call the node, print. */
export { runCommandLine } from './command-line.ts'
export type { GlobalOptions, Io, OutputStream } from './io.ts'
export type { LocalNode, NewNodeRequest, RunningNode } from './local.ts'
