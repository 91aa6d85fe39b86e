import { Option } from 'commander'
import { FLUSH_LEVELS, type FlushLevel } from '@holdfast/node/api'
import { MINUTE_MS, SECOND_MS } from '@holdfast/ports'
import { durationValue, given, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { createOutput } from '../output.ts'
import { followWork } from '../progress.ts'
import { countText } from '../text/sizes.ts'

export interface FlushOptions extends GlobalOptions {
  /** All volumes of the node if absent. */
  readonly volume?: string
  readonly level: FlushLevel
  readonly timeoutMs: number
}

export const FLUSH_TIMEOUT_MS = MINUTE_MS

export const defineFlush: Define = (parent, start) => {
  parent
    .command('flush')
    .description('wait until every change made before now is captured and acknowledged at a level')
    .argument('[VOLUME]', 'all volumes if absent')
    .addOption(
      new Option('--level <LEVEL>', 'local: durable on this machine; quorum: on a majority of the voters')
        .choices(FLUSH_LEVELS)
        .default('quorum'),
    )
    .option('--timeout <TIME>', `give up after this long (default: ${FLUSH_TIMEOUT_MS / SECOND_MS}s)`, durationValue)
    .action((volume: string | undefined, flags: { level: FlushLevel; timeout?: number }) => {
      start(runFlush, { ...given({ volume }), level: flags.level, timeoutMs: flags.timeout ?? FLUSH_TIMEOUT_MS })
    })
}

/** Exit code 3 when some source could not be read. */
export const runFlush: Run<FlushOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const { volume, level, timeoutMs } = options
    const events = node.flush({ ...given({ volume }), level, timeoutMs }, { signal })
    const summary = await followWork(options, io, events)
    const unreadable = summary.volumes.reduce((sum, each) => sum + each.unreadableCount, 0)
    const output = createOutput(options, io)
    if (!options.json) {
      for (const each of summary.volumes) {
        await output.line(
          `${each.volume}: ${each.level} at seq ${countText(each.seq)}, acknowledged by ${each.counted.join(', ')}`,
        )
        if (each.pendingChanges !== undefined)
          await output.note(
            `${countText(each.pendingChanges)} changes of ${each.volume} are on this node alone and wait for its next epoch: holdfast status`,
          )
      }
    }
    if (unreadable > 0) await output.note(`${countText(unreadable)} paths could not be read and are not captured`)
    return unreadable > 0 ? EXIT.unreadable : EXIT.done
  })
