/** The tools that Holdfast is measured against, each with the few verbs that the measurements need, started as its users start it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { andSync, bytesUnder, measureProcess, type Cost } from './measure.ts'

/** A tool over a repository of its own, for one source tree. */
export interface Tool {
  /** First capture, and each one after it. `label` is new every time. */
  capture(label: string): Promise<Cost>
  /** The capture of that label, the newest, into an empty directory, which is synced at the end. */
  restore(to: string, label: string): Promise<Cost>
  storedBytes(): Promise<number>
  close(): Promise<void>
}

export interface ToolKind {
  readonly name: string
  /** First line of what it says about its version; undefined if it is not installed. */
  version(): string | undefined
  /** Makes the repository in `directory`, which is absent; the source does not change its place. */
  open(directory: string, source: string): Promise<Tool>
}

function versionOf(command: string, ...args: readonly string[]): string | undefined {
  const answer = spawnSync(command, args, { encoding: 'utf8' })
  return answer.status === 0 ? answer.stdout.split('\n')[0]?.trim() : undefined
}

function prepare(
  directory: string,
  env: Readonly<Record<string, string>>,
  command: string,
  ...args: readonly string[]
): void {
  mkdirSync(directory, { recursive: true })
  const answer = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: 'utf8' })
  if (answer.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${answer.stderr}`)
}

function kept(repository: string): Pick<Tool, 'storedBytes' | 'close'> {
  return { storedBytes: () => Promise.resolve(bytesUnder(repository)), close: () => Promise.resolve() }
}

const restic: ToolKind = {
  name: 'restic auto',
  version: () => versionOf('restic', 'version'),
  async open(directory, source) {
    const repository = join(directory, 'repository')
    const env = { RESTIC_PASSWORD: 'x', RESTIC_REPOSITORY: repository, RESTIC_CACHE_DIR: join(directory, 'cache') }
    prepare(directory, env, 'restic', 'init', '--repository-version', '2', '-q')
    return {
      ...kept(repository),
      capture: () => measureProcess('restic', ['backup', '-q', '--compression', 'auto', '.'], { cwd: source, env }),
      restore: (to) =>
        andSync(to, () => measureProcess('restic', ['restore', '-q', 'latest', '--target', to], { env })),
    }
  },
}

const borg: ToolKind = {
  name: 'borg lz4',
  version: () => versionOf('borg', '--version'),
  async open(directory, source) {
    const repository = join(directory, 'repository')
    const env = {
      BORG_PASSPHRASE: 'x',
      BORG_REPO: repository,
      BORG_BASE_DIR: join(directory, 'base'),
      BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
    }
    prepare(directory, env, 'borg', 'init', '-e', 'repokey-blake2')
    return {
      ...kept(repository),
      capture: (label) => measureProcess('borg', ['create', '-C', 'lz4', `::${label}`, '.'], { cwd: source, env }),
      restore: (to, label) => andSync(to, () => measureProcess('borg', ['extract', `::${label}`], { cwd: to, env })),
    }
  },
}

const rsync: ToolKind = {
  name: 'rsync',
  version: () => versionOf('rsync', '--version'),
  async open(directory, source) {
    const repository = join(directory, 'repository')
    mkdirSync(repository, { recursive: true })
    return {
      ...kept(repository),
      // a comparison that finds nothing is what `rsync -an` is for
      capture: (label) =>
        measureProcess(
          'rsync',
          [label === 'unchanged' ? '-an' : '-aHAX', '--delete', `${source}/`, `${repository}/`],
          {},
        ),
      restore: (to) => andSync(to, () => measureProcess('rsync', ['-aHAX', `${repository}/`, `${to}/`], {})),
    }
  },
}

export const PEERS = [restic, borg, rsync] as const
