import { resolve } from 'node:path'
import { COPIES_MAX } from '@holdfast/node/api'
import { collected, given, integerValue, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printResult } from '../output.ts'

export interface ProtectOptions extends GlobalOptions {
  readonly directory: string
  readonly name?: string
  readonly copies?: number
  readonly members?: readonly string[]
}

interface Flags {
  readonly name?: string
  readonly copies?: number
  readonly member?: readonly string[]
}

export const defineProtect: Define = (parent, start) => {
  parent
    .command('protect')
    .description('start protecting a directory; returns when the mesh knows the volume, capture goes on by itself')
    .argument('<DIR>')
    .option('--name <VOLUME>', 'name of the volume (default: name of the directory)')
    .option('--copies <N>', 'members that shall hold it, spread over regions (default: 3)', integerValue(1, COPIES_MAX))
    .option('--member <NODE>', 'a node that shall be a member; may be repeated', collected)
    .action((directory: string, flags: Flags) => {
      const { name, copies, member: members } = flags
      start(runProtect, { directory, ...given({ name, copies, members }) })
    })
}

export const runProtect: Run<ProtectOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const { name, copies, members } = options
    const directory = resolve(io.workingDirectory, options.directory)
    const answer = await node.protect({ directory, ...given({ name, copies, members }) }, { signal })
    await printResult(options, io, answer, () => [
      `${answer.volume}: protecting ${answer.directory}, members so far: ${answer.members.join(', ')} (of ${answer.copies} copies)`,
    ])
    return EXIT.done
  })
