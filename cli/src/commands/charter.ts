import type { CharterLogEntry } from '@holdfast/node/api'
import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printResult } from '../output.ts'

export const defineCharter: Define = (parent, start) => {
  const charter = parent.command('charter').description('the signed document that says who belongs to the mesh')
  charter
    .command('log')
    .description('its versions, newest first')
    .action(() => start(runCharterLog, {}))
}

export const runCharterLog: Run<GlobalOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const entries = await node.charterLog({}, { signal })
    await printResult(options, io, entries, () => entries.flatMap(entryLines))
    return EXIT.done
  })

function entryLines(entry: CharterLogEntry): string[] {
  const head = `${entry.version}  ${entry.time}  ${entry.hash.slice(0, 16)}  signed by ${entry.signedBy.join(', ')}`
  return [head, ...entry.changes.map((change) => `    ${change}`)]
}
