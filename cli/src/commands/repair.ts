import type { NodeClient } from '@holdfast/node/api'
import { hasCode, HoldfastError } from '@holdfast/ports'
import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Io, Run } from '../io.ts'
import { createOutput } from '../output.ts'
import { followWork } from '../progress.ts'
import { countText } from '../text/sizes.ts'

export const defineRepair: Define = (parent, start) => {
  const repair = parent.command('repair').description('rebuild what can be derived from something else')
  repair
    .command('index')
    .description(
      'rebuild index, journal and catalog from the packs alone, in the running node; one that is not running makes anew what is damaged or missing when it starts',
    )
    .action(() => start(runRepairIndex, {}))
}

/** Exit code 22 when packs hold frames that fail their check. */
export const runRepairIndex: Run<GlobalOptions> = (signal, options, io) =>
  whileRunning(signal, options, io, async (node) => {
    const summary = await followWork(options, io, node.repairIndex({}, { signal }))
    if (!options.json) {
      await createOutput(options, io).line(
        `rebuilt from packs: ${countText(summary.chunks)} chunks, ${countText(summary.journalBlocks)} journal blocks, ` +
          `${countText(summary.versions)} versions, ${countText(summary.badFrames)} bad frames, in ${summary.seconds.toFixed(1)} s`,
      )
    }
    return summary.badFrames > 0 ? EXIT.corrupt : EXIT.done
  })

/** The daemon rebuilds, since it alone may open the home. @throws HF_NOT_RUNNING with what to do instead */
async function whileRunning(
  signal: AbortSignal,
  options: GlobalOptions,
  io: Io,
  use: (node: NodeClient) => Promise<number>,
): Promise<number> {
  try {
    return await withNode(signal, options, io, use)
  } catch (error) {
    if (!hasCode(error, 'HF_NOT_RUNNING')) throw error
    throw new HoldfastError('HF_NOT_RUNNING', `${error.message}; it rebuilds its indexes itself, nothing was changed`, {
      cause: error,
      next: 'holdfast up rebuilds what is damaged or missing by itself; for a rebuild by hand, run this again then',
    })
  }
}
