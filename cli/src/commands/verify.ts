import type { VerifySummary, WorkEvent } from '@holdfast/node/api'
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

/** Exit code 24 when a member could not be asked, and nothing worse was found. */
export const runVerify: Run<VerifyOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const { volume, readData, mesh } = options
    let unreachable = false
    async function* watched(): AsyncGenerator<WorkEvent<VerifySummary>> {
      for await (const event of node.verify({ readData, mesh, ...given({ volume }) }, { signal })) {
        if (event.message_type === 'error' && event.hf_code === 'HF_PEER_UNREACHABLE') unreachable = true
        yield event
      }
    }
    const summary = await followWork(options, io, watched())
    const output = createOutput(options, io)
    if (!options.json) for (const each of summary.nodes) await output.line(nodeLine(each, readData))
    const found = exitOf(summary)
    return found === EXIT.done && unreachable ? EXIT.unreachable : found
  })

/** 22 when something is wrong or lacking somewhere, 21 when all that was found is healed. */
function exitOf({ nodes }: VerifySummary): number {
  const isBad = nodes.some((node) => node.missingCount > 0 || node.corruptCount > node.healedCount)
  if (isBad) return EXIT.corrupt
  return nodes.some((node) => node.healedCount > 0) ? EXIT.healed : EXIT.done
}

function nodeLine(node: VerifySummary['nodes'][number], readData: boolean): string {
  const bad = node.missingCount + node.corruptCount + node.healedCount
  const found =
    bad === 0
      ? 'all present and right'
      : `${node.missingCount} missing, ${node.corruptCount} corrupt, ${node.healedCount} healed`
  const read = readData ? `${sizeText(node.bytes)} read` : sizeText(node.bytes)
  return `${node.node}: ${countText(node.chunks)} chunks (${read}), ${countText(node.journalBlocks)} journal blocks: ${found}`
}
