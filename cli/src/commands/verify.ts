import type { VerifySummary } from '@holdfast/node/api'
import { given, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { createOutput } from '../output.ts'
import { followWork } from '../progress.ts'
import { countText, sizeText } from '../text/sizes.ts'

export interface VerifyOptions extends GlobalOptions {
  readonly volume?: string
  readonly readData: boolean
  readonly mesh: boolean
}

export const defineVerify: Define = (parent, start) => {
  parent
    .command('verify')
    .description('is everything that the history needs present and right')
    .argument('[VOLUME]', 'all volumes if absent')
    .option('--read-data', 'read and hash every stored byte')
    .option('--mesh', 'on every member, not only here')
    .action((volume: string | undefined, flags: { readData?: true; mesh?: true }) => {
      start(runVerify, { readData: flags.readData ?? false, mesh: flags.mesh ?? false, ...given({ volume }) })
    })
}

export const runVerify: Run<VerifyOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const { volume, readData, mesh } = options
    const summary = await followWork(options, io, node.verify({ readData, mesh, ...given({ volume }) }, { signal }))
    const output = createOutput(options, io)
    if (!options.json) for (const each of summary.nodes) await output.line(nodeLine(each, readData))
    return exitOf(summary)
  })

/** 22 when something needed is wrong or lacking here or there, 21 when all of that was healed. */
function exitOf({ nodes }: VerifySummary): number {
  const bad = nodes.reduce((sum, node) => sum + node.missingCount + node.corruptCount, 0)
  const healed = nodes.reduce((sum, node) => sum + node.healedCount, 0)
  if (bad === 0) return EXIT.done
  return healed >= bad ? EXIT.healed : EXIT.corrupt
}

function nodeLine(node: VerifySummary['nodes'][number], readData: boolean): string {
  const bad = node.missingCount + node.corruptCount
  const found =
    bad === 0
      ? 'all present and right'
      : `${node.missingCount} missing, ${node.corruptCount} corrupt, ${node.healedCount} healed`
  const read = readData ? `${sizeText(node.bytes)} read` : sizeText(node.bytes)
  return `${node.node}: ${countText(node.chunks)} chunks (${read}), ${countText(node.journalBlocks)} journal blocks: ${found}`
}
