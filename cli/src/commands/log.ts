import type { VersionEntry } from '@holdfast/node/api'
import { given, integerValue, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printListing } from '../listing.ts'
import { parseVolumePath, pathOfField } from '../text/paths.ts'
import { sizeText } from '../text/sizes.ts'

export interface LogOptions extends GlobalOptions {
  /** `VOLUME` or `VOLUME:PATH`. */
  readonly target: string
  readonly limit?: number
}

export const defineLog: Define = (parent, start) => {
  parent
    .command('log')
    .description('list the versions of a path and of everything under it, newest first')
    .argument('<VOLUME[:PATH]>')
    .option('--limit <N>', 'only the newest N', integerValue(1, Number.MAX_SAFE_INTEGER))
    .action((target: string, flags: { limit?: number }) => start(runLog, { target, ...given({ limit: flags.limit }) }))
}

export const runLog: Run<LogOptions> = async (signal, options, io) => {
  const { volume, path } = parseVolumePath(options.target)
  return withNode(signal, options, io, async (node) => {
    const versions = node.log({ volume, path, ...given({ limit: options.limit }) }, { signal })
    await printListing(options, io, versions, versionLine)
    return EXIT.done
  })
}

export function versionLine(version: VersionEntry): string {
  const size = (
    version.kind === 'delete' ? 'deleted' : version.type === 'file' ? sizeText(version.size) : version.type
  ).padStart(9)
  return `${String(version.seq).padStart(8)}  ${version.time}  ${size}  ${pathOfField(version)}${version.torn ? ' (torn)' : ''}`
}
