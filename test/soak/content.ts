import { seeded } from '../src/seeded.ts'
import type { Version } from './ledger.ts'

/** Content of a version: a first line that names it, then bytes that only it has. At least as long as the line. */
export function contentOf(seed: string, version: Version): Buffer {
  const line = Buffer.from(`${version.path} ${version.generation} ${version.bytes}\n`)
  const rest = seeded(`${seed} ${version.path} ${version.generation}`).bytes(Math.max(0, version.bytes - line.length))
  return Buffer.concat([line, rest])
}

/** The version that a content says it is; undefined if it says nothing of the kind. */
export function versionOf(content: Buffer): Version | undefined {
  const end = content.subarray(0, 100).indexOf('\n')
  const match = content
    .subarray(0, Math.max(0, end))
    .toString('latin1')
    .match(/^(\S+) (\d+) (\d+)$/)
  if (match?.[1] === undefined) return undefined
  return { path: match[1], generation: Number(match[2]), bytes: Number(match[3]) }
}

export const generationOf = (content: Buffer): number | undefined => versionOf(content)?.generation
