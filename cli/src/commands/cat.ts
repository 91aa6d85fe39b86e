import { given, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Io, Run } from '../io.ts'
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

/** The bytes as they are; with `--json` one document `{volume, path, size, content}`, the content in base64, written as it comes. */
export const runCat: Run<CatOptions> = async (signal, options, io) => {
  const { volume, path } = parseVolumePath(options.target)
  const at = atOf(options.at, io.clock.nowMs())
  return withNode(signal, options, io, async (node) => {
    const content = await node.cat({ volume, path, ...at }, { signal })
    const output = createOutput(options, io)
    for (const notice of content.notices) await output.note(notice)
    if (!options.json) for await (const piece of content.bytes) await io.stdout.write(piece)
    else await writeDocument(io, { volume, path, size: content.size }, content.bytes)
    return EXIT.done
  })
}

/** Fields, then the content: a document that breaks off is none, and the exit code says why. */
async function writeDocument(io: Io, fields: object, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  await io.stdout.write(`${JSON.stringify(fields).slice(0, -1)},"content":"`)
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of bytes) {
    const all = Buffer.concat([rest, piece])
    const whole = all.byteLength - (all.byteLength % 3)
    await io.stdout.write(all.toString('base64', 0, whole))
    rest = all.subarray(whole)
  }
  await io.stdout.write(`${rest.toString('base64')}"}\n`)
}
