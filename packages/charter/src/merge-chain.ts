import { equalBytes } from '@holdfast/ports'
import { checkGenesis, checkVersion, isLeap, refused, type Link } from './chain.ts'
import { decodeVersion, versionHash, type CertifiedVersion } from './documents.ts'
import { CHARTER_VERSIONS_MAX } from './limits.ts'

/** The chain of versions from the first to the head; never empty. */
export type Chain = readonly [Link, ...Link[]]

export interface ChainMergeResult {
  /** The same array if nothing changed. */
  readonly chain: Chain
  /** What was offered, continued from what is known here; equal to `chain` unless that one wins. */
  readonly offered: Chain
  readonly gap: boolean
  readonly conflicts: readonly string[]
}

export const headOf = (chain: Chain): Link => chain.at(-1) ?? chain[0]

export const hasHash = (chain: Chain, hash: Uint8Array): boolean => chain.some((link) => equalBytes(link.hash, hash))

/** Verifies a whole chain. @throws HF_CHARTER_REFUSED, HF_DECODE */
export function checkChain(versions: readonly CertifiedVersion[]): Chain {
  const [first, ...rest] = versions
  if (first === undefined) throw refused('the charter has no version')
  return extend([checkGenesis(first)], rest)
}

/** Verifies offered versions (without a gap among themselves) against what is known, and takes the better chain: the longer
 *  of two where one continues the other; where they part, the one that the operator wrote alone, of two such the one with the
 *  greater hash. @throws HF_CHARTER_REFUSED for unauthorised versions, and for two certified versions of one number */
export function mergeChain(chain: Chain, versions: readonly CertifiedVersion[]): ChainMergeResult {
  const unchanged = { chain, offered: chain, gap: false, conflicts: [] }
  const first = versions[0]
  if (first === undefined) return unchanged
  const from = startOf(chain, first)
  if (from === undefined) return { ...unchanged, gap: true }
  const offered =
    from === 0 ? continueFrom(chain, [chain[0]], versions.slice(1)) : continueFrom(chain, prefix(chain, from), versions)
  const parting = offered.findIndex((link, index) => link !== chain[index])
  if (parting < 0) return { ...unchanged, offered: prefix(chain, offered.length) }
  const ours = chain[parting]
  const theirs = offered[parting]
  if (ours === undefined || theirs === undefined) return { ...unchanged, chain: offered, offered }
  const parent = chain[parting - 1] ?? chain[0]
  const conflicts = [`charter version ${ours.version.number} parts from version ${theirs.version.number}`]
  return { chain: isBetter(theirs, ours, parent) ? offered : chain, offered, gap: false, conflicts }
}

/** Index of the first offered version in the chain that it would give; undefined if what is before it is not known. */
function startOf(chain: Chain, first: CertifiedVersion): number | undefined {
  const version = decodeVersion(first.body)
  if (version.number === 1) {
    if (equalBytes(versionHash(first.body), chain[0].hash)) return 0
    throw refused('this charter begins with another version 1')
  }
  const before = chain.findIndex((link) => equalBytes(link.hash, version.previous))
  return before < 0 ? undefined : before + 1
}

/** Links known here are taken over as they are, so that only what is new is verified. */
function continueFrom(known: Chain, start: Chain, versions: readonly CertifiedVersion[]): Chain {
  let same = start.length
  while (same < known.length) {
    const candidate = versions[same - start.length]
    const link = known[same]
    if (candidate === undefined || link === undefined || !equalBytes(versionHash(candidate.body), link.hash)) break
    same++
  }
  return extend(prefix(known, same), versions.slice(same - start.length))
}

function extend(chain: Chain, versions: readonly CertifiedVersion[]): Chain {
  if (versions.length === 0) return chain
  if (chain.length + versions.length > CHARTER_VERSIONS_MAX)
    throw refused(`a charter has at most ${CHARTER_VERSIONS_MAX} versions`)
  const extended: [Link, ...Link[]] = [...chain]
  for (const certified of versions) extended.push(checkVersion(headOf(extended), certified))
  return extended
}

function prefix(chain: Chain, length: number): Chain {
  return length >= chain.length ? chain : [chain[0], ...chain.slice(1, length)]
}

function isBetter(theirs: Link, ours: Link, parent: Link): boolean {
  const theirsLeaps = isLeap(parent, theirs.version)
  const oursLeaps = isLeap(parent, ours.version)
  if (theirsLeaps !== oursLeaps) return theirsLeaps
  if (!theirsLeaps) throw refused(`charter version ${ours.version.number} was certified twice, with different contents`)
  return Buffer.compare(theirs.hash, ours.hash) > 0
}
