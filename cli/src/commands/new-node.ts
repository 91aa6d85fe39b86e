/** What `init` and `join` have in common: the flags that shape a new node. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { HoldfastError } from '@holdfast/ports'
import { collected, given } from '../command.ts'
import type { GlobalOptions, Io } from '../io.ts'
import type { NewNodeRequest } from '../local.ts'
import { readSecretFile } from '../secrets.ts'

export interface NewNodeOptions extends GlobalOptions {
  readonly name?: string
  readonly region?: string
  readonly drives: readonly string[]
  readonly listen?: string
  readonly announce?: string
  readonly passphraseFile?: string
}

export interface NewNodeFlags {
  readonly name?: string
  readonly region?: string
  readonly drive?: readonly string[]
  readonly listen?: string
  readonly announce?: string
  readonly passphraseFile?: string
}

export function addNewNodeFlags(command: Command): Command {
  return command
    .option('--name <N>', 'name of the node (default: name of the machine)')
    .option('--region <R>', 'where it stands: copies are spread over regions')
    .option('--drive <DIR>', 'where packs are kept (default: in the home)', collected)
    .option(
      '--listen <HOST:PORT>',
      'where it listens (default: 0.0.0.0:4747, or the next free port); port 0 picks one now and keeps it',
    )
    .option('--announce <HOST:PORT>', 'the only address others are told, behind NAT or a proxy')
    .option(
      '--passphrase-file <F>',
      'wrap the key of the node with this passphrase, - for standard input (default: a key file in the home)',
    )
}

export function newNodeOptions(flags: NewNodeFlags): Omit<NewNodeOptions, keyof GlobalOptions> {
  const { name, region, drive, listen, announce, passphraseFile } = flags
  return { drives: drive ?? [], ...given({ name, region, listen, announce, passphraseFile }) }
}

/** Checks what can be checked before anything is touched. @throws HF_BAD_INPUT */
export async function newNodeRequest(options: NewNodeOptions, io: Io): Promise<NewNodeRequest> {
  const { name, region, drives, listen, announce, passphraseFile } = options
  if (drives.length > 1) {
    throw new HoldfastError('HF_BAD_INPUT', 'more than one --drive: a node has one drive so far', {
      next: 'give one --drive, or none to keep packs in the home',
    })
  }
  if (listen !== undefined) checkAddress('--listen', listen)
  if (announce !== undefined) checkAddress('--announce', announce)
  const drive = drives[0] === undefined ? undefined : resolve(io.workingDirectory, drives[0])
  const passphrase = passphraseFile === undefined ? undefined : await readSecretFile(passphraseFile, 'passphrase', io)
  return { home: options.home, ...given({ name, region, drive, listen, announce, passphrase }) }
}

/** @throws HF_BAD_INPUT */
export function checkAddress(flag: string, address: string): void {
  const port = /^(?:\[[0-9a-f:.]+\]|[^\s:[\]]+):(\d{1,5})$/i.exec(address)?.[1]
  if (port !== undefined && Number(port) <= 65_535 && (flag === '--listen' || Number(port) > 0)) return
  throw new HoldfastError('HF_BAD_INPUT', `${flag} takes HOST:PORT, not "${address}"`, {
    next: 'for example 0.0.0.0:4747, or [::]:4747',
  })
}
