import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { createOutput } from '../output.ts'
import { followWork } from '../progress.ts'
import { countText } from '../text/sizes.ts'

export const defineRepair: Define = (parent, start) => {
  const repair = parent.command('repair').description('rebuild what can be derived from something else')
  repair
    .command('index')
    .description('rebuild index, journal and catalog from the packs alone')
    .action(() => start(runRepairIndex, {}))
}

/** Exit code 22 when packs hold frames that fail their check. */
export const runRepairIndex: Run<GlobalOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const summary = await followWork(options, io, node.repairIndex({}, { signal }))
    if (!options.json) {
      await createOutput(options, io).line(
        `rebuilt from packs: ${countText(summary.chunks)} chunks, ${countText(summary.journalBlocks)} journal blocks, ` +
          `${countText(summary.versions)} versions, ${countText(summary.badFrames)} bad frames, in ${summary.seconds.toFixed(1)} s`,
      )
    }
    return summary.badFrames > 0 ? EXIT.corrupt : EXIT.done
  })
