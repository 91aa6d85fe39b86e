import { verify } from '@holdfast/keys'
import { equalBytes, hexOf, shortId, type NodeId } from '@holdfast/ports'
import { majorityOf, refused, type Link } from './chain.ts'
import { entryHash, LABELS, volumeIdOf, zeroHash, type SignedEntry, type Vote, type VolumeStep } from './documents.ts'
import { COPIES_MAX, isName, VOLUME_ENTRIES_MAX, VOLUME_NAME_BYTES_MAX } from './limits.ts'
import { holdsData, mayRead, mayVote, type VolumeMember } from './types.ts'

/** What a volume's primary may change by itself, what needs its voters, and what needs the operator key. Every entry of a
 *  volume is a step from the one before. The primary alone: first entry, name, `public`, `protected`, members without a
 *  vote up to `copies`. With a majority of the old and of the new voters: one more voter, up to `votersWanted`. With the
 *  operator key: everything else that is allowed at all. */

/** Voters that a volume is given by itself: three, five from five copies on; the fewer copies when there are fewer. */
export const votersWanted = (copies: number): number => Math.min(copies, copies >= 5 ? 5 : 3)

/** What a step needs beyond its author's signature. */
export interface StepNeeds {
  readonly operator: boolean
  /** Majorities of both sets; the author counts with its own signature. Empty when voters stay the same. */
  readonly voterSets: readonly (readonly NodeId[])[]
}

export const votersOfVolume = (step: Pick<VolumeStep, 'members'>): NodeId[] =>
  step.members.filter((member) => member.voter).map((member) => member.node)

/** Checks a step against the one before it and the mesh, and says what it needs; signatures are not looked at.
 *  @throws HF_CHARTER_REFUSED */
export function checkStep(
  before: VolumeStep | undefined,
  step: VolumeStep,
  link: Link,
  knownHash: (hash: Uint8Array) => boolean,
): StepNeeds {
  checkForm(step, link)
  if (before === undefined) {
    checkFirst(step, knownHash)
    return { operator: dataMembers(step) > step.copies, voterSets: [] }
  }
  checkFollows(before, step)
  const added = votersOfVolume(step).filter((voter) => !isVoter(before, voter))
  const lost = votersOfVolume(before).filter((voter) => !isVoter(step, voter))
  const votersChange = added.length + lost.length > 0
  return {
    operator: needsOperator(before, step, added.length, lost.length),
    voterSets: votersChange ? [votersOfVolume(before), votersOfVolume(step)] : [],
  }
}

/** Checks the signatures of a step that `checkStep` passed. @throws HF_CHARTER_REFUSED */
export function checkStepSignatures(
  step: VolumeStep,
  entry: SignedEntry,
  needs: StepNeeds,
  operatorKey: Uint8Array,
): void {
  const hash = entryHash(entry.body)
  const subject = `entry ${step.counter} of volume ${shortId(step.volume)}`
  if (!verify(step.author, LABELS.entryAuthor, hash, entry.signature))
    throw refused(`${subject} is not signed by its author`)
  if (needs.operator) {
    const signature = entry.operatorSignature
    if (signature === undefined || !verify(operatorKey, LABELS.entryOperator, hash, signature)) {
      throw refused(`${subject} needs the signature of the operator key`)
    }
  }
  const signers = checkCosignatures(entry.cosignatures, hash, subject).add(hexOf(step.author))
  for (const voters of needs.voterSets) {
    if (!isMajority(voters, signers))
      throw refused(`${subject} changes voters without a majority of the old and new ones`)
  }
}

/** Whether these signers (ids in hex) are a majority of the voters. */
export function isMajority(voters: readonly NodeId[], signers: ReadonlySet<string>): boolean {
  return voters.filter((voter) => signers.has(hexOf(voter))).length >= majorityOf(voters.length)
}

function checkCosignatures(cosignatures: readonly Vote[], hash: Uint8Array, subject: string): Set<string> {
  const signers = new Set<string>()
  let before = ''
  for (const { node, signature } of cosignatures) {
    const id = hexOf(node)
    if (id <= before) throw refused(`the co-signatures of ${subject} are not in ascending order`)
    before = id
    if (!verify(node, LABELS.entryVoter, hash, signature))
      throw refused(`a co-signature of ${subject} is not ${shortId(node)}'s own`)
    signers.add(id)
  }
  return signers
}

function checkForm(step: VolumeStep, link: Link): void {
  const subject = `volume ${shortId(step.volume)}`
  if (!isName(step.name, VOLUME_NAME_BYTES_MAX)) throw refused(`the name of ${subject} is not one`)
  if (step.copies < 1 || step.copies > COPIES_MAX)
    throw refused(`${subject} wants ${step.copies} copies, not 1 to ${COPIES_MAX}`)
  if (step.counter > VOLUME_ENTRIES_MAX)
    throw refused(`${subject} has ${VOLUME_ENTRIES_MAX} entries, the most there can be`)
  if (step.keyEpoch < 1 || step.attempt < 1) throw refused(`${subject} counts from 1`)
  if (!equalBytes(step.primary, step.author)) throw refused(`the entry of ${subject} is not by its primary`)
  checkMembers(step, link, subject)
  checkSealedKeys(step, link, subject)
}

function checkMembers(step: VolumeStep, link: Link, subject: string): void {
  const seen = new Set<string>()
  for (const member of step.members) {
    const id = hexOf(member.node)
    if (seen.has(id)) throw refused(`${subject} names a member twice`)
    seen.add(id)
    if (!link.everNodes.has(id)) throw refused(`member ${shortId(member.node)} of ${subject} is not in the mesh`)
    if (member.voter && !mayVote(member.role)) throw refused(`a ${member.role} has no vote in ${subject}`)
  }
  const primary = memberOf(step, step.primary)
  if (primary?.role !== 'full' || !primary.voter)
    throw refused(`the primary of ${subject} is not a full member with a vote`)
}

function checkSealedKeys(step: VolumeStep, link: Link, subject: string): void {
  const seen = new Set<string>()
  for (const { to } of step.sealedKeys) {
    const id = hexOf(to)
    if (seen.has(id)) throw refused(`${subject} seals its keys to one twice`)
    seen.add(id)
    const member = step.members.find((candidate) => equalBytes(candidate.node, to))
    const reads = member === undefined ? equalBytes(to, link.mesh.operatorKey) : mayRead(member.role)
    if (!reads) throw refused(`${subject} seals its keys to ${shortId(to)}, which may not read it`)
  }
  if (!seen.has(hexOf(link.mesh.operatorKey))) throw refused(`${subject} does not seal its keys to the operator key`)
  if (!seen.has(hexOf(step.primary))) throw refused(`${subject} does not seal its keys to its primary`)
}

function checkFirst(step: VolumeStep, knownHash: (hash: Uint8Array) => boolean): void {
  const subject = `volume ${shortId(step.volume)}`
  if (step.counter !== 1 || !equalBytes(step.previous, zeroHash()))
    throw refused(`${subject} does not begin with entry 1`)
  if (!equalBytes(step.volume, volumeIdOf(step.mesh, step.author, step.nonce)))
    throw refused(`the id of ${subject} is not its author's`)
  if (votersOfVolume(step).length !== 1) throw refused(`${subject} begins with its primary as the only voter`)
  if (step.keyEpoch !== 1) throw refused(`${subject} begins with key epoch 1`)
  if (!step.protected) throw refused(`${subject} begins protected`)
  if (!knownHash(step.charterHash)) throw refused(`${subject} names a charter version that is not in the chain`)
}

function checkFollows(before: VolumeStep, step: VolumeStep): void {
  const subject = `entry ${step.counter} of volume ${shortId(step.volume)}`
  if (step.counter !== before.counter + 1) throw refused(`${subject} does not follow entry ${before.counter}`)
  if (!equalBytes(step.author, before.author)) throw refused(`${subject} is by another author`)
  if (
    !equalBytes(step.nonce, before.nonce) ||
    step.createdAtMs !== before.createdAtMs ||
    !equalBytes(step.charterHash, before.charterHash)
  ) {
    throw refused(`${subject} changes the birth of its volume`)
  }
  if (step.keyEpoch < before.keyEpoch) throw refused(`${subject} takes a key epoch back`)
  if (step.keyEpoch > before.keyEpoch) return
  for (const { to, sealed } of before.sealedKeys) {
    const kept = step.sealedKeys.find((candidate) => equalBytes(candidate.to, to))
    const left = memberOf(before, to) !== undefined && memberOf(step, to) === undefined
    if (kept === undefined ? !left : !equalBytes(kept.sealed, sealed)) {
      throw refused(`${subject} alters sealed keys without a new key epoch`)
    }
  }
}

function needsOperator(before: VolumeStep, step: VolumeStep, votersAdded: number, votersLost: number): boolean {
  if (step.copies !== before.copies || step.keyEpoch !== before.keyEpoch) return true
  if (votersLost > 0 || votersAdded > 1) return true
  if (votersAdded > 0 && votersOfVolume(step).length > votersWanted(step.copies)) return true
  const changed = before.members.some((member) => memberOf(step, member.node)?.role !== member.role)
  if (changed) return true
  const added = step.members.filter((member) => memberOf(before, member.node) === undefined)
  if (added.some((member) => !holdsData(member.role))) return true
  return dataMembers(step) > Math.max(step.copies, dataMembers(before))
}

const memberOf = (step: VolumeStep, node: Uint8Array): VolumeMember | undefined =>
  step.members.find((member) => equalBytes(member.node, node))

const isVoter = (step: VolumeStep, node: NodeId): boolean => memberOf(step, node)?.voter === true

const dataMembers = (step: VolumeStep): number => step.members.filter((member) => holdsData(member.role)).length
