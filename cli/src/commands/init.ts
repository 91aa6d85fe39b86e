import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import { given, type Define } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import type { Run } from '../io.ts'
import type { NewNode } from '../local.ts'
import { createOutput, printResult } from '../output.ts'
import { addNewNodeFlags, newNodeOptions, newNodeRequest, type NewNodeFlags, type NewNodeOptions } from './new-node.ts'

export interface InitOptions extends NewNodeOptions {
  readonly recoverySheet?: string
}

export const defineInit: Define = (parent, start) => {
  const command = parent
    .command('init')
    .description('create a node and a mesh of one, and print the recovery sheet once')
  addNewNodeFlags(command)
    .option('--recovery-sheet <FILE>', 'write the recovery sheet to this new file instead of the terminal')
    .action((flags: NewNodeFlags & { recoverySheet?: string }) =>
      start(runInit, { ...newNodeOptions(flags), ...given({ recoverySheet: flags.recoverySheet }) }),
    )
}

export const runInit: Run<InitOptions> = async (_signal, options, io) => {
  const request = await newNodeRequest(options, io)
  const sheet =
    options.recoverySheet === undefined ? undefined : openSheet(resolve(io.workingDirectory, options.recoverySheet))
  const node = await made()
  if (sheet !== undefined)
    await printResult(options, io, { ...node, home: options.home, recoverySheetFile: sheet.file }, () => [])
  const kept =
    sheet === undefined ? 'print the sheet above and keep it off this machine' : `print ${sheet.file}, then delete it`
  await createOutput(options, io).note(
    `node ${node.node} in ${options.home} listens at ${node.listen.join(' ')}; ${kept}: it is the only copy of the operator key\nnext: holdfast up`,
  )
  return EXIT.done

  async function made(): Promise<NewNode> {
    try {
      const local = await io.local()
      return await local.init(request, async ({ recoverySheet, ...rest }) => {
        if (sheet !== undefined) return sheet.write(recoverySheet)
        const document = { ...rest, home: options.home, recoverySheet }
        await printed(printResult(options, io, document, () => [recoverySheet.trimEnd()]))
      })
    } catch (error) {
      sheet?.discard()
      throw error
    }
  }
}

/** A sheet that nobody reads is lost, and nobody would notice before it is needed. @throws HF_DESTINATION */
async function printed(printing: Promise<void>): Promise<void> {
  try {
    await printing
  } catch (cause) {
    throw new HoldfastError('HF_DESTINATION', 'the recovery sheet could not be printed; no node was made', {
      cause,
      next: 'give --recovery-sheet FILE, or let standard output be read to its end',
    })
  }
}

/** Opened before the node is made, so that there is never a node whose sheet could not be written. @throws HF_ALREADY_EXISTS, HF_DESTINATION */
function openSheet(file: string): { file: string; write(text: string): void; discard(): void } {
  if (existsSync(file)) {
    throw new HoldfastError('HF_ALREADY_EXISTS', `${file} exists`, { next: 'name a new file for the recovery sheet' })
  }
  let descriptor: number
  try {
    descriptor = openSync(file, 'wx', 0o600)
  } catch (cause) {
    throw new HoldfastError(
      'HF_DESTINATION',
      `cannot write the recovery sheet to ${file}: ${(cause as Error).message}`,
      { cause },
    )
  }
  return {
    file,
    write: (text) => {
      try {
        writeFileSync(descriptor, text)
        fsyncSync(descriptor)
      } catch (cause) {
        throw new HoldfastError('HF_DESTINATION', `cannot write the recovery sheet to ${file}; no node was made`, {
          cause,
          next: 'make room, or name another file',
        })
      }
    },
    discard: () => {
      closeSync(descriptor)
      rmSync(file, { force: true })
    },
  }
}
