import { equalBytes } from '@holdfast/ports'
import { refused, type Link } from './chain.ts'
import { entryHash, type SignedEntry, type VolumeStep } from './documents.ts'
import { checkAuthor } from './entry-rules.ts'
import { checkStep, checkStepSignatures, type StepNeeds } from './volume-rules.ts'

/** One checked entry of a volume. */
export interface ChainedStep {
  readonly signed: SignedEntry
  readonly step: VolumeStep
  readonly hash: Uint8Array
  /** Whether it changed voters, so that they agreed to it. */
  readonly agreed: boolean
}

export type VolumeChain = readonly ChainedStep[]

export interface ChainContext {
  readonly link: Link
  readonly knownHash: (hash: Uint8Array) => boolean
}

export interface OfferedStep {
  readonly signed: SignedEntry
  readonly step: VolumeStep
}

/** Outcome of merging steps into a chain: the same array if nothing changed. */
export interface ChainMerge {
  readonly chain: VolumeChain
  /** An entry before the offered ones is lacking: ask for the whole. */
  readonly gap: boolean
  /** The author signed two entries of one counter. */
  readonly conflict: boolean
}

/** Merges offered steps, ascending by counter. Where an author signed two chains, after it forgot, the one with more steps that
 *  voters agreed to stands, else the one with the greater hash where they part, and any before its own beginning: a total
 *  order over chains, so that every node ends with the same one. @throws HF_CHARTER_REFUSED if a step is not authorised */
export function mergeSteps(chain: VolumeChain, offered: readonly OfferedStep[], context: ChainContext): ChainMerge {
  checkAscending(offered)
  if (!connects(chain, offered[0])) return { chain, gap: true, conflict: false }
  const theirs = continueFrom(chain, offered, context)
  const parting = theirs.findIndex((step, index) => step !== chain[index])
  if (parting < 0) return { chain, gap: false, conflict: false }
  const ourStep = chain[parting]
  const theirStep = theirs[parting]
  if (ourStep === undefined || theirStep === undefined) return { chain: theirs, gap: false, conflict: false }
  const agreements = agreedCount(theirs) - agreedCount(chain)
  const better = agreements === 0 ? Buffer.compare(theirStep.hash, ourStep.hash) : agreements
  return { chain: better > 0 ? theirs : chain, gap: false, conflict: true }
}

/** The chain that was offered; steps known here are taken over as they are, so that only what is new is verified. */
function continueFrom(chain: VolumeChain, offered: readonly OfferedStep[], context: ChainContext): VolumeChain {
  const theirs = chain.slice(0, Math.max(0, (offered[0]?.step.counter ?? 1) - 1))
  for (const { signed, step } of offered) {
    const known = chain[theirs.length]
    const same = known !== undefined && equalBytes(known.hash, entryHash(signed.body))
    theirs.push(same ? known : checkOne(theirs.at(-1), signed, step, context))
  }
  return theirs
}

const agreedCount = (chain: VolumeChain): number => chain.filter((step) => step.agreed).length

/** Whether the first offered step is known, or follows one that is. */
function connects(chain: VolumeChain, first: OfferedStep | undefined): boolean {
  if (first === undefined || first.step.counter <= 1) return true
  const before = chain[first.step.counter - 2]
  return before !== undefined && equalBytes(before.hash, first.step.previous)
}

/** Checks one step against the one before it. @throws HF_CHARTER_REFUSED */
function checkOne(
  before: ChainedStep | undefined,
  signed: SignedEntry,
  step: VolumeStep,
  context: ChainContext,
): ChainedStep {
  const needs = checkUnsigned(before, step, context)
  checkStepSignatures(step, signed, needs, context.link.mesh.operatorKey)
  const agreed = needs.voterSets.length > 0
  return Object.freeze({ signed, step: Object.freeze(step), hash: entryHash(signed.body), agreed })
}

/** Everything but the signatures. @throws HF_CHARTER_REFUSED */
export function checkUnsigned(before: ChainedStep | undefined, step: VolumeStep, context: ChainContext): StepNeeds {
  checkAuthor(step, context.link)
  if (before !== undefined && !equalBytes(step.previous, before.hash))
    throw refused('an entry names another entry before it')
  return checkStep(before?.step, step, context.link, context.knownHash)
}

function checkAscending(steps: readonly OfferedStep[]): void {
  for (const [index, { step }] of steps.entries()) {
    const before = steps[index - 1]
    if (before !== undefined && step.counter !== before.step.counter + 1)
      throw refused('the entries of a volume have a gap')
  }
}
