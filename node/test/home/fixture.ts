import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { asMeshId } from '@holdfast/ports'
import { createHome, type NewHome } from '../../src/home/index.ts'
import { createSystemRandom } from '../../src/system/index.ts'

export const SEED = new Uint8Array(32).fill(7)

/** A directory for one test; `remove` takes it away. */
export function temporary(): { directory: string; remove: () => void } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-home-'))
  return { directory, remove: () => fs.rmSync(directory, { recursive: true, force: true }) }
}

/** Makes a home with little in it. */
export function makeHome(directory: string, changes: Partial<NewHome> = {}): void {
  createHome(
    {
      directory,
      seed: SEED,
      identity: {
        name: 'node-a',
        region: 'eu-1',
        mesh: asMeshId(new Uint8Array(16).fill(1)),
        meshName: 'mesh-a',
        trustedCharterHash: new Uint8Array(32).fill(2),
        drive: '',
        createdAtMs: 1_800_000_000_000,
      },
      config: 'listen = "127.0.0.1:4747"\n',
      state: { charter: Uint8Array.of(1, 2, 3) },
      ...changes,
    },
    createSystemRandom(),
  )
}

/** Every file below a directory with its content and mode, to see that nothing was touched. The lock file is left out. */
export function contentOf(directory: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const file = path.join(directory, name)
    const stat = fs.lstatSync(file)
    if (name === 'lock') continue
    found[name] = stat.isFile() ? `${stat.mode} ${stat.mtimeMs} ${fs.readFileSync(file, 'hex')}` : String(stat.mode)
  }
  return found
}
