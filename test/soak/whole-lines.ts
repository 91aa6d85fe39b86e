import { existsSync, readFileSync, truncateSync } from 'node:fs'

/** The lines of a file that is appended to; none if there is no file. A last line that a kill has cut off was never counted on: it is
 *  removed, so that the next does not follow it on the same line. */
export function wholeLines(file: string): string[] {
  if (!existsSync(file)) return []
  const bytes = readFileSync(file)
  const end = bytes.lastIndexOf('\n') + 1
  if (end < bytes.length) truncateSync(file, end)
  return bytes.subarray(0, end).toString('utf8').split('\n').slice(0, -1)
}
