import type { TreeEntry } from '@holdfast/node/api'
import { isoTime, pathText } from '@holdfast/node/api'
import { given, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printListing } from '../listing.ts'
import { parseVolumePath, pathOfField } from '../text/paths.ts'
import { sizeText } from '../text/sizes.ts'
import { parseMoment } from '../text/times.ts'

export interface LsOptions extends GlobalOptions {
  /** `VOLUME` or `VOLUME:PATH`. */
  readonly target: string
  readonly at?: string
  readonly recursive: boolean
}

export const defineLs: Define = (parent, start) => {
  parent
    .command('ls')
    .description('list a directory of a volume, now or at any moment kept')
    .argument('<VOLUME[:PATH]>')
    .option('--at <TIME>', 'as it was then: 2026-11-23T12:00:00Z, "10m ago"')
    .option('-R, --recursive', 'everything under it')
    .action((target: string, flags: { at?: string; recursive?: true }) => {
      start(runLs, { target, recursive: flags.recursive ?? false, ...given({ at: flags.at }) })
    })
}

export const runLs: Run<LsOptions> = async (signal, options, io) => {
  const { volume, path } = parseVolumePath(options.target)
  const at = atOf(options.at, io.clock.nowMs())
  return withNode(signal, options, io, async (node) => {
    const entries = node.ls({ volume, path, recursive: options.recursive, ...at }, { signal })
    await printListing(options, io, entries, entryLine)
    return EXIT.done
  })
}

/** The moment of `--at` as requests carry it. @throws HF_BAD_INPUT */
export function atOf(text: string | undefined, nowMs: number): { at?: string } {
  return text === undefined ? {} : { at: isoTime(parseMoment(text, nowMs)) }
}

function entryLine(entry: TreeEntry): string {
  const owner = `${entry.uid}:${entry.gid}`.padEnd(9)
  const size = (entry.type === 'file' ? sizeText(entry.size) : (entry.device ?? '')).padStart(9)
  const mtime = entry.mtime.slice(0, 19).replace('T', ' ')
  const suffix = entry.type === 'directory' ? '/' : entry.type === 'symlink' ? ` -> ${targetText(entry)}` : ''
  const letter = entry.special === undefined ? TYPE_LETTER[entry.type] : SPECIAL_LETTER[entry.special]
  return `${letter}${entry.mode} ${owner} ${size} ${mtime} ${pathOfField(entry)}${suffix}${entry.torn ? ' (torn)' : ''}`
}

const TYPE_LETTER = { file: '-', directory: 'd', symlink: 'l', other: '?' } as const
const SPECIAL_LETTER = { fifo: 'p', character: 'c', block: 'b' } as const

function targetText({ target, targetBytes }: TreeEntry): string {
  return targetBytes === undefined
    ? pathText(new TextEncoder().encode(target ?? ''))
    : pathText(Buffer.from(targetBytes, 'base64'))
}
