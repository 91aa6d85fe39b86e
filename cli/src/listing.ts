import type { ListEvent } from '@holdfast/node/api'
import type { GlobalOptions, Io } from './io.ts'
import { createOutput } from './output.ts'

/** Prints entries as they come: a line each, or one JSON array. Returns how many there were. */
export async function printListing<Entry>(
  options: GlobalOptions,
  io: Io,
  events: AsyncIterable<ListEvent<Entry>>,
  lineOf: (entry: Entry) => string,
): Promise<number> {
  const output = createOutput(options, io)
  let count = 0
  for await (const event of events) {
    if (event.message_type === 'notice') await output.note(event.message)
    if (event.message_type !== 'entry') continue
    if (options.json) await io.stdout.write(`${count === 0 ? '[' : ',\n'}${JSON.stringify(event.entry)}`)
    else await output.line(lineOf(event.entry))
    count++
  }
  if (options.json) await io.stdout.write(count === 0 ? '[]\n' : ']\n')
  return count
}
