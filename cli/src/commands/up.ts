import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Option } from 'commander'
import { HoldfastError } from '@holdfast/ports'
import { given, type Define } from '../command.ts'
import { isHome, STARTING_MARK } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Io, Run } from '../io.ts'
import type { LocalNode, RunningNode } from '../local.ts'
import { printResult } from '../output.ts'
import { readSecretFile } from '../secrets.ts'
import { checkAddress } from './new-node.ts'

export interface UpOptions extends GlobalOptions {
  readonly listen?: string
  readonly passphraseFile?: string
  /** Stops when standard input ends: a node that somebody's script started does not outlive the script. */
  readonly untilInputEnds: boolean
}

export const defineUp: Define = (parent, start) => {
  parent
    .command('up')
    .description('run the node in the foreground until SIGTERM or SIGINT')
    .option('--listen <HOST:PORT>', 'where it listens this time (default: as configured)')
    .option(
      '--passphrase-file <F>',
      'passphrase of the key of the node, - for standard input (default: asked on the terminal)',
    )
    .addOption(new Option('--until-input-ends').hideHelp())
    .action((flags: { listen?: string; passphraseFile?: string; untilInputEnds?: true }) => {
      const { listen, passphraseFile, untilInputEnds } = flags
      start(runUp, { untilInputEnds: untilInputEnds ?? false, ...given({ listen, passphraseFile }) })
    })
}

/** Exit code 0 after a clean stop, however it was asked for. */
export const runUp: Run<UpOptions> = async (signal, options, io) => {
  const mark = new StartingMark(options.home)
  try {
    if (options.listen !== undefined) checkAddress('--listen', options.listen)
    const local = await io.local()
    const passphrase = await passphraseOf(signal, options, io, local)
    const { home, listen, verbose } = options
    const node = await local.up({ home, verbosity: verbose ? 1 : 0, ...given({ passphrase, listen }) }, signal)
    mark.remove()
    return await serve(signal, options, io, node)
  } finally {
    mark.remove()
  }
}

async function serve(signal: AbortSignal, options: UpOptions, io: Io, node: RunningNode): Promise<number> {
  const asked = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const { node: name, mesh, listen, api } = node
  try {
    await printResult(options, io, { event: 'ready', node: name, mesh, listen, api }, () => [
      `node ${name} is up, listens at ${listen.join(' ')}`,
    ])
    await Promise.race([asked, node.stopped, ...(options.untilInputEnds ? [ended(io.stdin)] : [])])
  } finally {
    await node.stop()
  }
  await node.stopped
  return EXIT.done
}

async function ended(input: Io['stdin']): Promise<void> {
  try {
    for await (const _ of input);
  } catch {
    // A broken pipe has ended too.
  }
}

async function passphraseOf(
  signal: AbortSignal,
  options: UpOptions,
  io: Io,
  local: LocalNode,
): Promise<string | undefined> {
  if (options.passphraseFile !== undefined) return readSecretFile(options.passphraseFile, 'passphrase', io)
  if (!(await local.needsPassphrase(options.home))) return undefined
  if (io.terminal.stdin) return io.askSecret('passphrase of the node: ', signal)
  throw new HoldfastError('HF_WRONG_KEY', 'the key of the node needs a passphrase', {
    next: 'give it with --passphrase-file',
  })
}

/** Tells commands that a node is on its way before it can say so itself. Losing it costs them patience, nothing else. */
class StartingMark {
  readonly #file: string
  #written = false

  constructor(home: string) {
    this.#file = join(home, STARTING_MARK)
    try {
      if (!isHome(home)) return
      writeFileSync(this.#file, String(process.pid), { mode: 0o600 })
      this.#written = true
    } catch {
      // A home that cannot be written is reported by what opens it.
    }
  }

  remove(): void {
    if (!this.#written) return
    this.#written = false
    try {
      rmSync(this.#file, { force: true })
    } catch {
      // It names a process that will be gone.
    }
  }
}
