import type { NodeClient } from '@holdfast/node/api'
import { pathOfField } from '../text/paths.ts'

/** Changes that are looked through for a file worth showing. */
const CHANGES_READ_MAX = 2000

/** The file with the most versions among the newest changes, and the time of the oldest of them; undefined if there is no file. */
export async function fileWithHistory(
  client: NodeClient,
  volume: string,
  signal: AbortSignal,
): Promise<{ path: string; time: string } | undefined> {
  const files = new Map<string, { count: number; time: string }>()
  for await (const event of client.log({ volume, path: '', limit: CHANGES_READ_MAX }, { signal })) {
    if (event.message_type !== 'entry' || event.entry.kind !== 'put' || event.entry.type !== 'file') continue
    const path = pathOfField(event.entry)
    files.set(path, { count: (files.get(path)?.count ?? 0) + 1, time: event.entry.time })
  }
  const [best] = [...files].toSorted(([, a], [, b]) => b.count - a.count)
  return best === undefined ? undefined : { path: best[0], time: best[1].time }
}
