import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printResult } from '../output.ts'

export interface UnprotectOptions extends GlobalOptions {
  readonly volume: string
}

export const defineUnprotect: Define = (parent, start) => {
  parent
    .command('unprotect')
    .description('stop capturing a volume; its history stays and can be restored')
    .argument('<VOLUME>')
    .action((volume: string) => start(runUnprotect, { volume }))
}

export const runUnprotect: Run<UnprotectOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const answer = await node.unprotect({ volume: options.volume }, { signal })
    await printResult(options, io, answer, () => [`${answer.volume}: no longer captured; its history stays`])
    return EXIT.done
  })
