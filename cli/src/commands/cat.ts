import { given, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { createOutput } from '../output.ts'
import { parseVolumePath } from '../text/paths.ts'
import { atOf } from './ls.ts'

export interface CatOptions extends GlobalOptions {
  /** `VOLUME:PATH`. */
  readonly target: string
  readonly at?: string
}

export const defineCat: Define = (parent, start) => {
  parent
    .command('cat')
    .description('write the content of a file, now or at any moment kept, to standard output; every byte is verified')
    .argument('<VOLUME:PATH>')
    .option('--at <TIME>', 'as it was then: 2026-11-23T12:00:00Z, "10m ago"')
    .action((target: string, flags: { at?: string }) => start(runCat, { target, ...given({ at: flags.at }) }))
}

/** Bytes as they are, with `--json` too: there is no document to make of them. */
export const runCat: Run<CatOptions> = async (signal, options, io) => {
  const { volume, path } = parseVolumePath(options.target)
  const at = atOf(options.at, io.clock.nowMs())
  return withNode(signal, options, io, async (node) => {
    const content = await node.cat({ volume, path, ...at }, { signal })
    const output = createOutput(options, io)
    for (const notice of content.notices) await output.note(notice)
    for await (const piece of content.bytes) await io.stdout.write(piece)
    return EXIT.done
  })
}
