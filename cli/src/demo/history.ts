import type { NodeClient } from '@holdfast/node/api'
import { pathOfField } from '../text/paths.ts'

/** Changes that are looked through for a file worth showing. */
const CHANGES_READ_MAX = 2000

/** Printed to a terminal without regret. */
const TEXT_NAME =
  /(?:^|[/])(?:README|LICENSE|Makefile)$|\.(?:txt|md|csv|json|ya?ml|toml|xml|html|css|[cm]?[jt]s|py|sh|c|h|go|rs|java|conf|log)$/i

interface FileHistory {
  readonly path: string
  /** Of its oldest version among the newest changes. */
  readonly time: string
  readonly versionCount: number
}

/** The file to show: with the most versions among the newest changes, then one that looks like text, then the one with the shortest path. */
export async function fileWithHistory(
  client: NodeClient,
  volume: string,
  signal: AbortSignal,
): Promise<FileHistory | undefined> {
  const files = new Map<string, FileHistory>()
  for await (const event of client.log({ volume, path: '', limit: CHANGES_READ_MAX }, { signal })) {
    if (event.message_type !== 'entry' || event.entry.kind !== 'put' || event.entry.type !== 'file') continue
    const path = pathOfField(event.entry)
    files.set(path, { path, time: event.entry.time, versionCount: (files.get(path)?.versionCount ?? 0) + 1 })
  }
  return [...files.values()].toSorted(byInterest)[0]
}

const byInterest = (a: FileHistory, b: FileHistory): number =>
  b.versionCount - a.versionCount ||
  Number(TEXT_NAME.test(b.path)) - Number(TEXT_NAME.test(a.path)) ||
  a.path.length - b.path.length
