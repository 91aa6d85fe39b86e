import { configValues, initNode, joinNode, needsPassphrase, readConfig, startNode } from '@holdfast/node'
import type { LocalNode } from './local.ts'
import { programVersion } from './version.ts'

/** The daemon in this process. */
export function createLocalNode(environment: Readonly<Record<string, string | undefined>>): LocalNode {
  return {
    init: initNode,
    join: joinNode,
    needsPassphrase: (home) => Promise.resolve(needsPassphrase(home)),
    up: (request, signal) => startNode({ ...request, version: programVersion(), environment }, signal),
    config: (home) => Promise.resolve(configValues(readConfig(home, environment))),
  }
}
