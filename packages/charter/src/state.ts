import { labelledHash } from '@holdfast/hash'
import { asMeshId, equalBytes, hexOf, type NodeId, type VolumeId } from '@holdfast/ports'
import { decodeBundle, encodeBundle } from './bundle.ts'
import { refused, votersOf, type Link } from './chain.ts'
import type { CharterChange } from './documents.ts'
import { bookHashes, emptyBook, mergeEntries, rebase, signedEntries, type EntryBook } from './entry-book.ts'
import { checkChain, hasHash, headOf, mergeChain, type Chain } from './merge-chain.ts'
import type { CharterHead, Invitation, MeshInfo, NodeInfo, VolumeEntry } from './types.ts'
import type { ChainContext, VolumeChain } from './volume-chain.ts'
import { votersOfVolume } from './volume-rules.ts'

/** What a merge changed; all empty if nothing. */
export interface CharterChanges {
  /** Numbers of versions that are new here. */
  readonly versions: readonly number[]
  readonly volumes: readonly VolumeId[]
  /** Nodes whose addresses are new here. */
  readonly addresses: readonly NodeId[]
  readonly invitations: readonly NodeId[]
  /** Things that were signed in two ways, for people: a node that forgot, or a stolen key. */
  readonly conflicts: readonly string[]
}

export interface CharterMerge {
  readonly state: CharterState
  readonly changed: boolean
  readonly changes: CharterChanges
  /** Something before the offered part is lacking here, so that part was left: ask the sender for its whole charter. */
  readonly gap: boolean
}

/** One line of `charter log`. */
export interface CharterLogLine {
  readonly version: number
  readonly hash: Uint8Array
  readonly timeMs: number
  readonly changes: readonly CharterChange[]
  /** Who voted for it, and of how many. */
  readonly votes: readonly NodeId[]
  readonly voterCount: number
  readonly operatorSigned: boolean
}

/** A charter as one node knows it: an immutable value. Everything in it is verified. `merge` is commutative, associative
 *  and idempotent, so that nodes may exchange charters in any order and end with equal ones. */
export class CharterState {
  readonly #chain: Chain
  readonly #book: EntryBook
  #digest: Uint8Array | undefined

  private constructor(chain: Chain, book: EntryBook) {
    this.#chain = chain
    this.#book = book
  }

  /** Opens a whole charter. `anchor` is what the caller knows of it for certain: a version's hash, from a join token or the own home.
   *  @throws HF_DECODE, HF_CHARTER_REFUSED if anything in it is not authorised, or the anchor is not in its chain */
  static open(
    bundle: Uint8Array,
    anchor: { readonly mesh: Uint8Array; readonly charterHash: Uint8Array },
  ): CharterState {
    const { mesh, versions, entries } = decodeBundle(bundle)
    const chain = checkChain(versions)
    if (!equalBytes(mesh, anchor.mesh) || !equalBytes(mesh, chain[0].mesh.id))
      throw refused('this is the charter of another mesh')
    if (!hasHash(chain, anchor.charterHash))
      throw refused('this charter does not descend from the version that was named')
    const merged = mergeEntries(emptyBook(), entries, contextOf(chain))
    if (merged.gap) throw refused('entries of the charter are lacking')
    return new CharterState(chain, merged.book)
  }

  mesh(): MeshInfo {
    return headOf(this.#chain).mesh
  }

  head(): CharterHead {
    return { version: headOf(this.#chain).version.number, hash: headOf(this.#chain).hash }
  }

  /** Nodes of the mesh, in ascending order of their ids. */
  nodes(): NodeInfo[] {
    return [...headOf(this.#chain).nodes.values()].toSorted((a, b) => Buffer.compare(a.id, b.id))
  }

  /** The node if it is in the mesh now. */
  node(id: Uint8Array): NodeInfo | undefined {
    return headOf(this.#chain).nodes.get(hexOf(id))
  }

  /** The node as it is or was last. */
  nodeEver(id: Uint8Array): NodeInfo | undefined {
    return headOf(this.#chain).everNodes.get(hexOf(id))
  }

  /** Who votes on the next version, in ascending order. */
  voters(): NodeId[] {
    return votersOf(headOf(this.#chain)).toSorted((a, b) => Buffer.compare(a, b))
  }

  /** Whether a version of this hash is in the chain. */
  hasVersion(hash: Uint8Array): boolean {
    return hasHash(this.#chain, hash)
  }

  /** All volumes ever added, unprotected ones included, by name, then by id. */
  volumes(): VolumeEntry[] {
    const entries = [...this.#book.volumes.values()].flatMap((chain) => chain.at(-1)?.step ?? [])
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : Buffer.compare(a.volume, b.volume)))
  }

  volume(id: Uint8Array): VolumeEntry | undefined {
    return this.#book.volumes.get(hexOf(id))?.at(-1)?.step
  }

  /** The first entry of a volume: it certifies epoch 1. */
  volumeBirth(id: Uint8Array): VolumeEntry | undefined {
    return this.#book.volumes.get(hexOf(id))?.[0]?.step
  }

  /** Every entry of a volume, oldest first: an epoch was certified by the voters of its time. */
  volumeEntries(id: Uint8Array): VolumeEntry[] {
    return (this.#book.volumes.get(hexOf(id)) ?? []).map(({ step }) => step)
  }

  /** Voters of a volume, in the order of their addition. */
  volumeVoters(id: Uint8Array): NodeId[] {
    const entry = this.volume(id)
    return entry === undefined ? [] : votersOfVolume(entry)
  }

  /** Where the node says it can be dialled; empty if it never said, or is not in the mesh now. */
  addressesOf(id: Uint8Array): readonly string[] {
    return this.node(id) === undefined ? [] : (this.#book.addresses.get(hexOf(id))?.entry.addresses ?? [])
  }

  /** Invitations of a node, used and expired ones included until it drops them. */
  invitationsOf(id: Uint8Array): readonly Invitation[] {
    return this.#book.invitations.get(hexOf(id))?.entry.invitations ?? []
  }

  /** Whether this node came in by this one-time key, and is in the mesh now. */
  admittedBy(oneTimeKey: Uint8Array, node: NodeId): boolean {
    const admits = (change: CharterChange): boolean =>
      change.type === 'admit' &&
      equalBytes(change.admission.oneTimeKey, oneTimeKey) &&
      equalBytes(change.admission.node.id, node)
    return this.node(node) !== undefined && this.#chain.some((link) => link.version.changes.some(admits))
  }

  /** Every version, oldest first. */
  log(): CharterLogLine[] {
    return this.#chain.map((link, index) => ({
      version: link.version.number,
      hash: link.hash,
      timeMs: link.version.timeMs,
      changes: link.version.changes,
      votes: link.certified.certificate.votes.map((vote) => vote.node),
      voterCount: votersOf(this.#chain[index - 1] ?? link).length,
      operatorSigned: link.certified.certificate.operatorSignature !== undefined,
    }))
  }

  /** 32 bytes, equal exactly if two charters say the same: what peers compare before they exchange anything. */
  digest(): Uint8Array {
    this.#digest ??= labelledHash('holdfast charter digest 1', headOf(this.#chain).hash, ...bookHashes(this.#book))
    return this.#digest
  }

  /** The whole charter, or, for a peer whose head is a version of ours, without the versions up to that one.
   *  @throws HF_BUSY beyond `BUNDLE_BYTES_MAX` */
  encodeBundle(since?: CharterHead): Uint8Array {
    const shared = since === undefined ? -1 : this.#chain.findIndex((link) => equalBytes(link.hash, since.hash))
    return this.#encode(this.#chain.slice(shared + 1), signedEntries(this.#book))
  }

  /** Only what this charter has and `older` has not: what is flooded on a change. */
  encodeDelta(older: CharterState): Uint8Array {
    const known = new Set(older.#chain.map((link) => hexOf(link.hash)))
    const held = new Set(signedEntries(older.#book).map((signed) => hexOf(signed.signature)))
    return this.#encode(
      this.#chain.filter((link) => !known.has(hexOf(link.hash))),
      signedEntries(this.#book).filter((signed) => !held.has(hexOf(signed.signature))),
    )
  }

  /** Takes over what is newer in the bundle, all or nothing; this state stays as it is. What is older or known is no error.
   *  @throws HF_CHARTER_REFUSED if any part that would be taken is not authorised, HF_DECODE */
  merge(bundle: Uint8Array): CharterMerge {
    const { mesh, head, versions, entries } = decodeBundle(bundle)
    if (!equalBytes(mesh, this.mesh().id)) throw refused('this is the charter of another mesh')
    const chains = mergeChain(this.#chain, versions)
    if (chains.gap || !(hasHash(chains.chain, head) || hasHash(chains.offered, head)))
      return { ...this.#unchanged(), gap: true }
    const { chain } = chains
    const context = contextOf(chain)
    const replaced = !hasHash(chain, headOf(this.#chain).hash)
    const book = mergeEntries(replaced ? rebase(this.#book, context) : this.#book, entries, context)
    const added = chain.filter((link) => !this.#chain.includes(link))
    const { volumes, addresses, invitations } = book
    const conflicts = [...chains.conflicts, ...book.conflicts]
    if (added.length === 0 && !book.changed) return { ...this.#unchanged(conflicts), gap: book.gap }
    return {
      state: new CharterState(chain, book.book),
      changed: true,
      gap: book.gap,
      changes: {
        versions: added.map((link) => link.version.number),
        volumes,
        addresses,
        invitations,
        conflicts,
      },
    }
  }

  /** The version that the next one is checked against; for this package. */
  headLink(): Link {
    return headOf(this.#chain)
  }

  /** Every entry of a volume, oldest first; for this package. */
  volumeChain(id: Uint8Array): VolumeChain {
    return this.#book.volumes.get(hexOf(id)) ?? []
  }

  /** What entries are checked against; for this package. */
  context(): ChainContext {
    return contextOf(this.#chain)
  }

  /** Counter of a node's newest addresses or invitations, 0 before the first; for this package. */
  counterOf(type: 'addresses' | 'invitations', author: NodeId): number {
    return this.#book[type].get(hexOf(author))?.entry.counter ?? 0
  }

  #encode(links: readonly Link[], entries: ReturnType<typeof signedEntries>): Uint8Array {
    const versions = links.map((link) => link.certified)
    return encodeBundle({ mesh: asMeshId(this.mesh().id), head: headOf(this.#chain).hash, versions, entries })
  }

  #unchanged(conflicts: readonly string[] = []): CharterMerge {
    const changes = { versions: [], volumes: [], addresses: [], invitations: [], conflicts }
    return { state: this, changed: false, changes, gap: false }
  }
}

const contextOf = (chain: Chain): ChainContext => ({ link: headOf(chain), knownHash: (hash) => hasHash(chain, hash) })
