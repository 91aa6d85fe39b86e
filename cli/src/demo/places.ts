/** Where the demo keeps things, and which nodes it has. */
import { cpSync, existsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HoldfastError } from '@holdfast/ports'

type Environment = Readonly<Record<string, string | undefined>>

export interface DemoPlace {
  readonly name: string
  readonly region: string
  readonly home: string
}

/** Three nodes as if they stood on three continents; the first is the primary of what is protected. */
export function demoPlaces(stateDirectory: string): readonly [DemoPlace, ...DemoPlace[]] {
  const place = (name: string): DemoPlace => ({ name, region: `${name}-1`, home: join(stateDirectory, name) })
  return [place('eu'), place('us'), place('ap')]
}

/** `$XDG_STATE_HOME/holdfast-demo`, by default below `~/.local/state`. */
export function demoStateDirectory(environment: Environment): string {
  const given = environment['XDG_STATE_HOME']
  const state = given === undefined || given === '' ? join(environment['HOME'] ?? homedir(), '.local', 'state') : given
  return join(resolve(state), 'holdfast-demo')
}

/** The directory to protect: as given, relative to where npm was called; or the sample, copied when it is not there. @throws HF_BAD_INPUT */
export function demoDirectory(given: string | undefined, stateDirectory: string, environment: Environment): string {
  if (given === undefined) {
    const sample = join(stateDirectory, 'sample')
    if (!existsSync(sample)) cpSync(SAMPLE, sample, { recursive: true, verbatimSymlinks: true })
    return sample
  }
  const directory = resolve(environment['INIT_CWD'] ?? process.cwd(), given)
  if (isDirectory(directory)) return directory
  throw new HoldfastError('HF_BAD_INPUT', `${directory} is not a directory`, {
    next: 'npm start -- DIR, or npm start alone for a small sample',
  })
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** Name of a volume for the directory: its base name, with what a name cannot have left out. */
export const volumeNameOf = (directory: string): string => basename(directory).replace(/^-+|:/g, '') || 'root'

const CLI = fileURLToPath(new URL('../../..', import.meta.url))
const SAMPLE = join(CLI, 'sample')
export const HOLDFAST_SCRIPT = join(CLI, 'bin', 'holdfast.js')

/** The command as a person can paste it anywhere: as npm installed it, else the script itself. */
export function holdfastCommand(): string {
  const installed = resolve(CLI, '..', 'node_modules', '.bin', 'holdfast')
  return existsSync(installed) ? installed : HOLDFAST_SCRIPT
}
