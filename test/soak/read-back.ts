import { ControlError, type Control } from '../src/control.ts'
import { readContent } from './content.ts'
import type { Acknowledged } from './ledger.ts'

export interface Loss {
  readonly what: string
}

interface LoggedVersion {
  readonly seq: number
  readonly time: string
  readonly kind: 'put' | 'delete'
  readonly torn?: true
}

/** Reads every version that a member has of every acknowledged path, and tells what is missing, wrong or out of order. */
export async function readBack(
  control: Control,
  volume: string,
  seed: string,
  acknowledged: readonly Acknowledged[],
): Promise<{ readBack: number; losses: Loss[] }> {
  const losses: Loss[] = []
  let count = 0
  for (const path of new Set(acknowledged.map((version) => version.path))) {
    const wanted = acknowledged.filter((version) => version.path === path)
    const found = new Set<number>()
    let newest = Infinity
    for (const version of await versionsOf(control, volume, path)) {
      if (version.kind !== 'put' || version.torn === true) continue
      const content = await control.bytes('cat', { volume, path, at: version.time }).catch((error: unknown) => {
        losses.push({ what: `${path} at ${version.time} (seq ${version.seq}) cannot be read: ${String(error)}` })
      })
      if (content === undefined) continue
      count += 1
      const said = readContent(seed, path, content)
      if (said === 'wrong') {
        losses.push({ what: `${path} at ${version.time} (seq ${version.seq}) was never written so` })
      }
      if (said === 'wrong' || said === 'beginning') continue
      if (said.generation > newest)
        losses.push({ what: `${path}: generation ${said.generation} is logged before ${newest}` })
      newest = said.generation
      found.add(said.generation)
    }
    for (const version of wanted) {
      if (found.has(version.generation)) continue
      losses.push({
        what: `${path} generation ${version.generation}, acknowledged ${version.level} at ${version.at}, is lost`,
      })
    }
  }
  return { readBack: count, losses }
}

/** Newest first; none if the member has never heard of the path. */
async function versionsOf(control: Control, volume: string, path: string): Promise<LoggedVersion[]> {
  try {
    return (await control.lines<LoggedVersion, unknown>('log', { volume, path })).entries
  } catch (error) {
    if (error instanceof ControlError && error.code === 'HF_NOT_FOUND') return []
    throw error
  }
}
