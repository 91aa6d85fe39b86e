import { resolve } from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import type { RestoreSummary } from '@holdfast/node/api'
import { given, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { createOutput } from '../output.ts'
import { followWork } from '../progress.ts'
import { parseVolumePath } from '../text/paths.ts'
import { countText, filesText, sizeText } from '../text/sizes.ts'
import { atOf } from './ls.ts'

export interface RestoreOptions extends GlobalOptions {
  /** `VOLUME` or `VOLUME:PATH`. */
  readonly target: string
  readonly to: string
  readonly at?: string
  readonly inPlace: boolean
  readonly delete: boolean
  readonly verify: boolean
  readonly dryRun: boolean
  readonly privileged: boolean
}

interface Flags {
  readonly to: string
  readonly at?: string
  readonly inPlace?: true
  readonly delete?: true
  readonly verify?: true
  readonly dryRun?: true
  readonly privileged?: true
}

export const defineRestore: Define = (parent, start) => {
  parent
    .command('restore')
    .description(
      'write files as they are now or were at any moment kept; what is not here comes from the nearest member',
    )
    .argument('<VOLUME[:PATH]>')
    .requiredOption('--to <DIR>', 'where to; must be empty or absent, or hold an unfinished restore of the same')
    .option('--at <TIME>', 'as it was then: 2026-11-23T12:00:00Z, "10m ago"')
    .option('--in-place', 'into a directory that is not empty: skips what is identical, keeps extra files')
    .option('--delete', 'with --in-place: delete extra files')
    .option('--verify', 'read everything back')
    .option('--dry-run', 'say what would be done')
    .option('--privileged', 'make devices, and set setuid and setgid bits and file capabilities')
    .action((target: string, flags: Flags) => {
      start(runRestore, {
        target,
        to: flags.to,
        inPlace: flags.inPlace ?? false,
        delete: flags.delete ?? false,
        verify: flags.verify ?? false,
        dryRun: flags.dryRun ?? false,
        privileged: flags.privileged ?? false,
        ...given({ at: flags.at }),
      })
    })
}

/** Exit code 1 when something of it could not be written. */
export const runRestore: Run<RestoreOptions> = async (signal, options, io) => {
  const { volume, path } = parseVolumePath(options.target)
  const { inPlace, verify, dryRun, privileged } = options
  if (options.delete && !inPlace) throw new HoldfastError('HF_BAD_INPUT', '--delete is only for --in-place')
  const to = resolve(io.workingDirectory, options.to)
  const at = atOf(options.at, io.clock.nowMs())
  return withNode(signal, options, io, async (node) => {
    const events = node.restore(
      { volume, path, to, inPlace, delete: options.delete, verify, dryRun, privileged, ...at },
      { signal },
    )
    const summary = await followWork(options, io, events)
    if (!options.json) await createOutput(options, io).line(summaryLine(summary))
    return summary.errorCount > 0 ? EXIT.failed : EXIT.done
  })
}

function summaryLine(summary: RestoreSummary): string {
  const parts = [filesText(summary.files), sizeText(summary.bytes)]
  if (summary.skipped > 0) parts.push(`${countText(summary.skipped)} identical ones left alone`)
  if (summary.deleted > 0) parts.push(`${countText(summary.deleted)} deleted`)
  if (summary.fetchedBytes > 0) parts.push(`${sizeText(summary.fetchedBytes)} fetched from other members`)
  if (summary.errorCount > 0) parts.push(`${countText(summary.errorCount)} errors`)
  const verb = summary.dryRun ? 'would restore' : 'restored'
  return `${summary.volume}: ${verb} to ${summary.to} as of ${summary.at}: ${parts.join(', ')}, in ${summary.seconds.toFixed(1)} s`
}
