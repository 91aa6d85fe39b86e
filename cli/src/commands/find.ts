import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printListing } from '../listing.ts'
import { versionLine } from './log.ts'

export interface FindOptions extends GlobalOptions {
  readonly volume: string
  readonly pattern: string
}

export const defineFind: Define = (parent, start) => {
  parent
    .command('find')
    .description('find paths by a shell pattern, deleted ones too; without a / the pattern is for the last name alone')
    .argument('<VOLUME>')
    .argument('<PATTERN>', '* and ? stay inside a name, ** crosses directories')
    .action((volume: string, pattern: string) => start(runFind, { volume, pattern }))
}

export const runFind: Run<FindOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const { volume, pattern } = options
    const found = node.find({ volume, pattern }, { signal })
    await printListing(options, io, found, versionLine)
    return EXIT.done
  })
