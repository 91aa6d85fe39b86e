import { equalBytes, hexOf, shortId, type NodeId, type VolumeId } from '@holdfast/ports'
import { refused } from './chain.ts'
import {
  decodeEntry,
  entryHash,
  type AddressesEntry,
  type InvitationsEntry,
  type SignedEntry,
  type VolumeStep,
} from './documents.ts'
import { checkOwnEntry } from './entry-rules.ts'
import { VOLUMES_PER_AUTHOR_MAX } from './limits.ts'
import { mergeSteps, type ChainContext, type OfferedStep, type VolumeChain } from './volume-chain.ts'

/** An entry of which only the newest counts. */
interface OwnEntry<T> {
  readonly entry: T
  readonly signed: SignedEntry
  readonly hash: Uint8Array
}

/** All verified entries, by author or volume in hex. Immutable. */
export interface EntryBook {
  readonly addresses: ReadonlyMap<string, OwnEntry<AddressesEntry>>
  readonly invitations: ReadonlyMap<string, OwnEntry<InvitationsEntry>>
  readonly volumes: ReadonlyMap<string, VolumeChain>
}

export interface BookMerge {
  readonly book: EntryBook
  readonly changed: boolean
  readonly gap: boolean
  readonly volumes: readonly VolumeId[]
  readonly addresses: readonly NodeId[]
  readonly invitations: readonly NodeId[]
  readonly conflicts: readonly string[]
}

export const emptyBook = (): EntryBook => ({ addresses: new Map(), invitations: new Map(), volumes: new Map() })

/** Every entry, in an order that depends on the contents alone. */
export function signedEntries(book: EntryBook): SignedEntry[] {
  return [
    ...sorted(book.addresses).map((own) => own.signed),
    ...sorted(book.invitations).map((own) => own.signed),
    ...sorted(book.volumes).flatMap((chain) => chain.map((step) => step.signed)),
  ]
}

/** One hash per newest entry, in that order: what a digest covers. */
export function bookHashes(book: EntryBook): Uint8Array[] {
  return [
    ...sorted(book.addresses).map((own) => own.hash),
    ...sorted(book.invitations).map((own) => own.hash),
    ...sorted(book.volumes).flatMap((chain) => chain.at(-1)?.hash ?? []),
  ]
}

/** Takes over what is newer. @throws HF_CHARTER_REFUSED if any entry that would be taken is not authorised, HF_DECODE */
export function mergeEntries(book: EntryBook, offered: readonly SignedEntry[], context: ChainContext): BookMerge {
  const draft = {
    addresses: new Map(book.addresses),
    invitations: new Map(book.invitations),
    volumes: new Map(book.volumes),
  }
  const conflicts: string[] = []
  const addresses: NodeId[] = []
  const invitations: NodeId[] = []
  const steps = new Map<string, OfferedStep[]>()
  for (const signed of offered) {
    const entry = decodeEntry(signed.body)
    switch (entry.type) {
      case 'addresses':
        if (takeOwn(draft.addresses, entry, signed, context, conflicts)) addresses.push(entry.author)
        break
      case 'invitations':
        if (takeOwn(draft.invitations, entry, signed, context, conflicts)) invitations.push(entry.author)
        break
      case 'volume': {
        const id = hexOf(entry.volume)
        steps.set(id, [...(steps.get(id) ?? []), { signed, step: entry }])
        break
      }
    }
  }
  const { volumes, gap } = takeSteps(draft.volumes, steps, context, conflicts)
  const changed = addresses.length + invitations.length + volumes.length > 0
  return { book: changed ? draft : book, changed, gap, volumes, addresses, invitations, conflicts }
}

/** The entries that stand under another chain of versions, after the operator's leap has replaced the former one. */
export function rebase(book: EntryBook, context: ChainContext): EntryBook {
  let kept = emptyBook()
  for (const signed of signedEntries(book)) {
    try {
      kept = mergeEntries(kept, [signed], context).book
    } catch {
      // Written by or about nodes of the abandoned versions; it has no standing in this chain.
    }
  }
  return kept
}

function takeOwn<T extends AddressesEntry | InvitationsEntry>(
  held: Map<string, OwnEntry<T>>,
  entry: T,
  signed: SignedEntry,
  context: ChainContext,
  conflicts: string[],
): boolean {
  const id = hexOf(entry.author)
  const known = held.get(id)
  const hash = entryHash(signed.body)
  if (known !== undefined && (equalBytes(known.hash, hash) || known.entry.counter > entry.counter)) return false
  checkOwnEntry(entry, signed, context.link)
  if (known?.entry.counter === entry.counter) {
    conflicts.push(`node ${shortId(entry.author)} signed two ${entry.type} with counter ${entry.counter}`)
    if (Buffer.compare(known.hash, hash) > 0) return false
  }
  held.set(id, { entry: Object.freeze(entry), signed, hash })
  return true
}

function takeSteps(
  held: Map<string, VolumeChain>,
  steps: ReadonlyMap<string, OfferedStep[]>,
  context: ChainContext,
  conflicts: string[],
): { volumes: VolumeId[]; gap: boolean } {
  const volumes: VolumeId[] = []
  let gap = false
  for (const [id, offered] of steps) {
    const chain = held.get(id) ?? []
    const merged = mergeSteps(chain, offered.toSorted(byCounter), context)
    const step = merged.chain.at(-1)?.step
    gap ||= merged.gap
    if (step === undefined) continue
    if (merged.conflict) conflicts.push(`volume ${shortId(step.volume)} has two entries of one counter`)
    if (merged.chain === chain) continue
    if (chain.length === 0) checkAuthorHasRoom(held, step)
    held.set(id, merged.chain)
    volumes.push(step.volume)
  }
  return { volumes, gap }
}

function checkAuthorHasRoom(held: ReadonlyMap<string, VolumeChain>, step: VolumeStep): void {
  let count = 0
  for (const chain of held.values())
    if (chain[0] !== undefined && equalBytes(chain[0].step.author, step.author)) count++
  if (count >= VOLUMES_PER_AUTHOR_MAX)
    throw refused(`node ${shortId(step.author)} has ${count} volumes, the most there can be`)
}

const byCounter = (a: OfferedStep, b: OfferedStep): number => a.step.counter - b.step.counter

function sorted<T>(map: ReadonlyMap<string, T>): T[] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}
