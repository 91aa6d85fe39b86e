import { isoTime, type DiffEntry } from '@holdfast/node/api'
import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printListing } from '../listing.ts'
import { parseVolumePath, pathOfField } from '../text/paths.ts'
import { sizeText } from '../text/sizes.ts'
import { parseMoment } from '../text/times.ts'

export interface DiffOptions extends GlobalOptions {
  /** `VOLUME` or `VOLUME:PATH`. */
  readonly target: string
  readonly from: string
  readonly to: string
}

export const defineDiff: Define = (parent, start) => {
  parent
    .command('diff')
    .description('what differs between two moments: + added, - removed, M modified')
    .argument('<VOLUME[:PATH]>')
    .argument('<A>', 'the earlier moment: 2026-11-23T12:00:00Z, "10m ago"')
    .argument('<B>', 'the later one; "now" for the present')
    .action((target: string, from: string, to: string) => start(runDiff, { target, from, to }))
}

export const runDiff: Run<DiffOptions> = async (signal, options, io) => {
  const { volume, path } = parseVolumePath(options.target)
  const nowMs = io.clock.nowMs()
  const from = isoTime(parseMoment(options.from, nowMs))
  const to = isoTime(parseMoment(options.to, nowMs))
  return withNode(signal, options, io, async (node) => {
    await printListing(options, io, node.diff({ volume, path, from, to }, { signal }), diffLine)
    return EXIT.done
  })
}

function diffLine(entry: DiffEntry): string {
  const sizes = [entry.sizeBefore, entry.sizeAfter].filter((size) => size !== null).map(sizeText)
  const hasSize = entry.type === 'file' && (entry.change !== 'modified' || entry.aspects.includes('content'))
  const details = hasSize && sizes.length > 0 ? [sizes.join(' -> ')] : []
  details.push(...entry.aspects.filter((aspect) => aspect !== 'content'))
  const detail = details.length > 0 ? `  (${details.join(', ')})` : ''
  return `${MARK[entry.change]} ${pathOfField(entry)}${entry.type === 'directory' ? '/' : ''}${detail}`
}

const MARK = { added: '+', removed: '-', modified: 'M' } as const
