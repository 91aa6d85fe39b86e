import { blake3 } from '@holdfast/hash'
import { equalBytes, HoldfastError } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import type { RestoreRow } from './types.ts'

/** Groups of hard links that a restore remembers, some 300 bytes each; names of further ones come back as files of their own. */
export const LINK_GROUPS_MAX = 250_000

/** The name of a group that is written; the others are linked to it. */
export interface LinkLeader {
  /** Relative to the destination. */
  readonly path: Uint8Array
  /** Of the record. */
  readonly digest: Uint8Array
  /** `there`: its others can be linked. */
  state: 'planned' | 'there' | 'failed'
}

export interface PlannedHardLink {
  readonly path: Uint8Array
  readonly type: string
  readonly leader: LinkLeader
}

/**
 * Which paths of a restore are names of one thing. The first that comes is written as any other, the rest is linked to it.
 * Names are only linked if their records say the same in everything: where they do not (one was captured and the other not
 * yet, or an inode was used again) each comes back as its own record says.
 */
export class HardLinks {
  readonly #groups = new Map<string, LinkLeader>()
  #waiting: PlannedHardLink[] = []
  /** Names that came back as files of their own since there were too many groups. */
  forgotten = 0

  /** A link to be made later; or the leader of its group, to be written; or neither, if the row has one name only. */
  plan(path: Uint8Array, row: RestoreRow): { readonly leader?: LinkLeader; readonly isLink: boolean } {
    if (row.hardLink === undefined) return NOT_LINKED
    const key = Buffer.from(row.hardLink).toString('latin1')
    const leader = this.#groups.get(key)
    if (leader !== undefined) {
      if (!equalBytes(leader.digest, digestOf(row))) return NOT_LINKED
      this.#waiting.push({ path, type: row.type, leader })
      return { isLink: true }
    }
    if (this.#groups.size >= LINK_GROUPS_MAX) {
      this.forgotten += 1
      return NOT_LINKED
    }
    const first: LinkLeader = { path, digest: digestOf(row), state: 'planned' }
    this.#groups.set(key, first)
    return { leader: first, isLink: false }
  }

  /** Links whose leader is there by now, or has failed. */
  takeReady(): PlannedHardLink[] {
    if (this.#waiting.length === 0) return this.#waiting
    const ready = this.#waiting.filter(({ leader }) => leader.state !== 'planned')
    this.#waiting = this.#waiting.filter(({ leader }) => leader.state === 'planned')
    return ready
  }
}

const NOT_LINKED = { isLink: false } as const

/** What a name whose leader is not there fails with. */
export const leaderFailed = ({ path, leader }: PlannedHardLink): HoldfastError =>
  new HoldfastError(
    'HF_CHUNK_MISSING',
    `${pathText(path)} is another name of ${pathText(leader.path)}, which could not be restored`,
  )

/** Equal for records that say the same, wherever the content is stored. */
function digestOf(row: RestoreRow): Uint8Array {
  const { type, mode, uid, gid, mtimeNs, size, special, content } = row
  const text = [type, mode, uid, gid, mtimeNs, size, special?.kind, special?.major, special?.minor].join(' ')
  const parts: Uint8Array[] = [Buffer.from(text)]
  const add = (bytes: Uint8Array = NOTHING): void => void parts.push(Buffer.from(` ${bytes.byteLength} `), bytes)
  add(row.target)
  add(content?.recipe)
  for (const { name, value } of row.xattrs ?? []) {
    add(name)
    add(value)
  }
  for (const { length, fingerprint } of content?.inline ?? []) {
    parts.push(Buffer.from(` ${length}`))
    add(fingerprint)
  }
  return blake3(Buffer.concat(parts)).slice(0, DIGEST_BYTES)
}

const DIGEST_BYTES = 16
const NOTHING = new Uint8Array(0)
