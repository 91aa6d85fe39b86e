import type { ConfigValue } from '@holdfast/node/api'
import { hasCode } from '@holdfast/ports'
import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Io, Run } from '../io.ts'
import { printResult } from '../output.ts'
import { tableLines } from '../text/table.ts'

export interface ConfigShowOptions extends GlobalOptions {
  /** All settings with where each comes from, not only those that somebody set. */
  readonly effective: boolean
}

export const defineConfig: Define = (parent, start) => {
  const config = parent.command('config').description('the settings of this node')
  config
    .command('show')
    .description('print those that were set')
    .option('--effective', 'all of them, and where each value comes from')
    .action((flags: { effective?: true }) => start(runConfigShow, { effective: flags.effective ?? false }))
}

/** Asks the running node; without one, says what a node started now would use. */
export const runConfigShow: Run<ConfigShowOptions> = async (signal, options, io) => {
  const all = await settings(signal, options, io)
  const values = options.effective ? all : all.filter((value) => value.origin !== 'default')
  await printResult(options, io, values, () =>
    tableLines(
      values.map(({ key, value, origin }) => [
        key,
        '=',
        JSON.stringify(value),
        ...(options.effective ? [`(${origin})`] : []),
      ]),
    ),
  )
  return EXIT.done
}

async function settings(signal: AbortSignal, options: GlobalOptions, io: Io): Promise<readonly ConfigValue[]> {
  try {
    return await withNode(signal, options, io, (node) => node.configShow({}, { signal }))
  } catch (error) {
    if (!hasCode(error, 'HF_NOT_RUNNING')) throw error
    const local = await io.local()
    return local.config(options.home)
  }
}
