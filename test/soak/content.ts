import { seeded } from '../src/seeded.ts'
import type { Version } from './ledger.ts'

/** Longest first line, bytes. */
const LINE_BYTES_MAX = 100

/** Content of a version: a first line that names it, then bytes that only it has. At least as long as the line. */
export function contentOf(seed: string, version: Version): Buffer {
  const line = Buffer.from(`${version.path} ${version.generation} ${version.bytes}\n`)
  const rest = seeded(`${seed} ${version.path} ${version.generation}`).bytes(Math.max(0, version.bytes - line.length))
  return Buffer.concat([line, rest])
}

/** The version that a content says it is; undefined if it says nothing of the kind. */
function versionOf(content: Buffer): Version | undefined {
  const end = content.subarray(0, LINE_BYTES_MAX).indexOf('\n')
  const match = content
    .subarray(0, Math.max(0, end))
    .toString('latin1')
    .match(/^(\S+) (\d+) (\d+)$/)
  if (match?.[1] === undefined) return undefined
  return { path: match[1], generation: Number(match[2]), bytes: Number(match[3]) }
}

export const generationOf = (content: Buffer): number | undefined => versionOf(content)?.generation

/** Which version a content is. A file that is being written can be captured so far: then it is the `beginning` of one, and nothing
 *  that anybody could demand back. */
export function readContent(seed: string, path: string, content: Buffer): Version | 'beginning' | 'wrong' {
  const said = versionOf(content)
  if (said === undefined) {
    const name = Buffer.from(`${path} `).subarray(0, content.length)
    return content.length < LINE_BYTES_MAX && content.subarray(0, name.length).equals(name) ? 'beginning' : 'wrong'
  }
  const written = contentOf(seed, said)
  if (said.path !== path || !written.subarray(0, content.length).equals(content)) return 'wrong'
  return content.length < written.length ? 'beginning' : said
}
