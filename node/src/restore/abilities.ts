import { ACL_ACCESS, ACL_DEFAULT } from '@holdfast/capture'
import { HoldfastError } from '@holdfast/ports'
import { pathText } from '../api/path-text.ts'
import { SETUID_BITS } from './attribute-writer.ts'
import type { RestoreRow } from './types.ts'

/** What a destination may be unable to keep. */
export type Lack =
  | 'owners'
  | 'modes'
  | 'early-times'
  | 'nanoseconds'
  | 'user-attributes'
  | 'system-attributes'
  | 'acls'
  | 'symlinks'
  | 'hard-links'
  | 'fifos'
  | 'devices'
  | 'holes'
  | 'case'
  | 'name-bytes'
  | 'name-characters'
  | 'name-length'

/** What was found out about a destination before anything is written there. */
export interface Abilities {
  readonly lacks: ReadonlySet<Lack>
  /** Longest name, bytes. */
  readonly nameBytesMax: number
  /** What is made there gets an access list from its directory, which is taken off again. */
  readonly handsDownAcl: boolean
}

/** Linux' own limit. */
export const LONGEST_NAME_BYTES = 255
export const ALL_ABILITIES: Abilities = { lacks: new Set(), nameBytesMax: LONGEST_NAME_BYTES, handsDownAcl: false }

/** Bytes that some file systems refuse in names. */
const REFUSED_BYTES: ReadonlySet<number> = new Set(Buffer.from('"*:<>?\\|'))
const isRefused = (name: Uint8Array): boolean =>
  TRAILING.has(name.at(-1) ?? 0) || name.some((byte) => byte < 0x20 || REFUSED_BYTES.has(byte))
const TRAILING: ReadonlySet<number> = new Set(Buffer.from(' .'))

/** Who restores, as what does. */
export interface Restorer {
  readonly uid: number
  readonly gid: number
  readonly privileged: boolean
}

interface Meaning {
  readonly sentence: string
  isNeededBy(row: RestoreRow, restorer: Restorer): boolean
}

const nameOf = (row: RestoreRow): Uint8Array => row.path.subarray(row.path.lastIndexOf(0x2f) + 1)
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const hasXattr = (row: RestoreRow, test: (name: string) => boolean): boolean =>
  row.xattrs?.some(({ name }) => test(latin1(name))) === true
const isAcl = (name: string): boolean => name === ACL_ACCESS || name === ACL_DEFAULT
const isUsers = (name: string): boolean => name.startsWith('user.')
const isUtf8 = (bytes: Uint8Array): boolean => Buffer.from(Buffer.from(bytes).toString()).equals(Buffer.from(bytes))

const MEANINGS: Readonly<Record<Lack, Meaning>> = {
  owners: {
    sentence: 'owners are not restored: only the superuser may set them',
    isNeededBy: (row, { uid, gid }) => row.uid !== uid || row.gid !== gid,
  },
  modes: {
    sentence: 'modes are not restored: the destination does not keep them',
    isNeededBy: (row) => row.type !== 'symlink',
  },
  'early-times': {
    sentence: 'times before 1970 or far from now come back as others: the destination does not reach them',
    isNeededBy: ({ mtimeNs }) => mtimeNs < 0n || mtimeNs >= 2n ** 31n * 1_000_000_000n,
  },
  nanoseconds: {
    sentence: 'times are cut to what the destination keeps: less than nanoseconds',
    isNeededBy: ({ mtimeNs }) => mtimeNs % 2_000_000_000n !== 0n,
  },
  'user-attributes': {
    sentence: 'extended attributes are not restored: the destination does not keep them',
    isNeededBy: (row) => hasXattr(row, isUsers),
  },
  'system-attributes': {
    sentence: 'attributes of trusted.* and security.* are not restored: the destination or this user does not allow it',
    isNeededBy: (row) => hasXattr(row, (name) => !isUsers(name) && !isAcl(name)),
  },
  acls: {
    sentence: 'access control lists are not restored: the destination does not keep them',
    isNeededBy: (row) => hasXattr(row, isAcl),
  },
  symlinks: {
    sentence: 'symbolic links are not restored: the destination does not keep them',
    isNeededBy: ({ type }) => type === 'symlink',
  },
  'hard-links': {
    sentence: 'hard links come back as files of their own: the destination does not keep them',
    isNeededBy: ({ hardLink }) => hardLink !== undefined,
  },
  fifos: {
    sentence: 'fifos are not restored: the destination does not keep them',
    isNeededBy: ({ special }) => special?.kind === 'fifo',
  },
  devices: {
    sentence: 'devices are not restored: the destination or this user does not allow it',
    isNeededBy: ({ special }, { privileged }) => privileged && special !== undefined && special.kind !== 'fifo',
  },
  holes: {
    sentence: 'files with holes take all of their size: the destination does not keep holes',
    isNeededBy: ({ sparse }) => sparse === true,
  },
  case: {
    sentence:
      'names that differ only in case, or in how accents are written, are one name there: all but the first are left out',
    // Whether two collide is told when the second is met.
    isNeededBy: () => false,
  },
  'name-bytes': {
    sentence: 'names that are not UTF-8 are left out: the destination refuses them',
    isNeededBy: (row) => !isUtf8(nameOf(row)),
  },
  'name-characters': {
    sentence: 'names with special characters are left out: the destination refuses them',
    isNeededBy: (row) => isRefused(nameOf(row)),
  },
  'name-length': {
    sentence: 'names that are too long for the destination are left out',
    isNeededBy: () => false,
  },
}

/** What of the version the destination cannot keep, in sentences. Reads rows until everything that it lacks is found to be needed. */
export async function* unkept(
  rows: AsyncIterable<RestoreRow>,
  { lacks, nameBytesMax }: Abilities,
  restorer: Restorer,
): AsyncGenerator<string> {
  if (lacks.size === 0) return
  const open = new Set(lacks)
  const folded = new Set<string>()
  for await (const row of rows) {
    if (open.size === 0) return
    for (const lack of open) {
      const isNeeded =
        lack === 'name-length'
          ? nameOf(row).byteLength > nameBytesMax
          : lack === 'case'
            ? isSecond(folded, row)
            : MEANINGS[lack].isNeededBy(row, restorer)
      if (!isNeeded) continue
      open.delete(lack)
      yield MEANINGS[lack].sentence
    }
  }
}

function isSecond(folded: Set<string>, { path }: RestoreRow): boolean {
  const key = foldedPath(path)
  if (folded.has(key)) return true
  folded.add(key)
  return false
}

/** Equal for paths that are one where case and the form of accents make no difference. */
export const foldedPath = (path: Uint8Array): string =>
  Buffer.from(path).toString('utf8').normalize('NFC').toLowerCase().toUpperCase()

/** Tells which paths the destination cannot have, each with the reason; what is below one is left out with it. */
export class Fitting {
  readonly #abilities: Abilities
  readonly #folded: Set<string> | undefined
  /** Paths that are another's there: what is below them must not be mixed with what is below the other. */
  readonly #taken = new Set<string>()

  constructor(abilities: Abilities) {
    this.#abilities = abilities
    this.#folded = abilities.lacks.has('case') ? new Set() : undefined
  }

  #collision(path: Uint8Array, folded: Set<string>): HoldfastError | undefined {
    const key = foldedPath(path)
    const isBelowTaken = this.#taken.size > 0 && parentsOf(latin1(path)).some((parent) => this.#taken.has(parent))
    if (!isBelowTaken && !folded.has(key)) {
      folded.add(key)
      return undefined
    }
    if (!isBelowTaken) this.#taken.add(latin1(path))
    return refused(path, 'another name is the same there')
  }

  /** The error of a path that does not fit; undefined if it does. Each path is asked about once. */
  refusal(path: Uint8Array): HoldfastError | undefined {
    const { lacks, nameBytesMax } = this.#abilities
    if (lacks.size === 0) return undefined
    for (const name of latin1(path).split('/')) {
      const bytes = Buffer.from(name, 'latin1')
      if (bytes.byteLength > nameBytesMax) return refused(path, `names have ${nameBytesMax} bytes there at most`)
      if (lacks.has('name-bytes') && !isUtf8(bytes)) return refused(path, 'names that are not UTF-8 are refused there')
      if (lacks.has('name-characters') && isRefused(bytes))
        return refused(path, 'names with such characters are refused there')
    }
    return this.#folded === undefined ? undefined : this.#collision(path, this.#folded)
  }
}

function parentsOf(path: string): string[] {
  const parents: string[] = []
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
    parents.push(path.slice(0, slash))
  return parents
}

const refused = (path: Uint8Array, why: string): HoldfastError =>
  new HoldfastError('HF_DESTINATION', `${pathText(path)} is left out: ${why}`, {
    next: 'restore it by itself to a destination that can have it',
  })

/** Attributes as far as the destination and the restorer allow: file capabilities are as good as setuid bits, and only made when asked. */
export function keptXattrs(
  { xattrs }: Pick<RestoreRow, 'xattrs'>,
  { lacks }: Abilities,
  privileged: boolean,
): RestoreRow['xattrs'] {
  const kept = xattrs?.filter(({ name: bytes }) => {
    const name = latin1(bytes)
    if (isUsers(name)) return !lacks.has('user-attributes')
    if (isAcl(name)) return !lacks.has('acls')
    return !lacks.has('system-attributes') && (privileged || name !== CAPABILITY)
  })
  return kept === undefined || kept.length === 0 ? undefined : kept
}

const CAPABILITY = 'security.capability'

/** Whether a path has what is only restored when it is asked for. */
export const isPrivileged = (row: RestoreRow): boolean =>
  (row.special !== undefined && row.special.kind !== 'fifo') ||
  (row.type !== 'symlink' && (row.mode & SETUID_BITS) !== 0) ||
  hasXattr(row, (name) => name === CAPABILITY)
