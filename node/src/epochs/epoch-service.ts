import {
  decodeVoteReply,
  decodeVoteRequest,
  encodeVoteReply,
  encodeVoteRequest,
  type EpochRecord,
  type VoteReply,
  type VoteRequest,
} from '@holdfast/failover'
import { coreKeyOf } from '@holdfast/journal'
import { equalBytes, hexOf, HoldfastError } from '@holdfast/ports'
import type { CoreKey, JournalFrame, NodeId, VolumeId } from '@holdfast/ports'
import type { PackStore } from '@holdfast/store-pack'
import type { Authority } from '../authority/index.ts'
import type { Replication } from '../replication/index.ts'
import type { Volume, VolumeRules } from '../volumes/volume.ts'
import { checkRecords, votersOf } from './certificates.ts'
import { identityOf } from './epoch.ts'
import {
  decodeFrame,
  decodeFrameRequest,
  decodeFrameSlice,
  decodeRecords,
  decodeRecordsRequest,
  encodeFrame,
  encodeFrameRequest,
  encodeFrameSlice,
  encodeRecords,
  encodeRecordsRequest,
  FRAME_METHOD,
  FRAME_SLICE_BYTES,
  RECORDS_MAX,
  RECORDS_METHOD,
  VOTE_METHOD,
} from './epoch-messages.ts'
import type { VoterRecords } from './voter-records.ts'

/** Longest wait for one answer about epochs, ms. A vote takes one sync of the voter's home. */
export const EPOCH_CALL_TIMEOUT_MS = 5000
/** Bytes of one encoded frame that are put together from slices: the largest frame, with lengths. */
export const FRAME_BYTES_MAX = 5 * 1024 * 1024

export interface EpochServiceParts {
  readonly self: NodeId
  readonly state: () => Pick<Authority['state'], 'volume' | 'volumeEntries' | 'hasVersion'>
  readonly volumeOf: (volume: VolumeId) => Volume | undefined
  readonly records: VoterRecords
  readonly replication: Pick<Replication, 'call' | 'onCall'>
  readonly store: Pick<PackStore, 'journalFrames'>
}

/** What members ask each other about the epochs of a volume, both sides of it. */
export class EpochService {
  readonly #parts: EpochServiceParts
  /** Lengths that a primary's claims asked a voter to reach in a log that it has promised to leave. */
  readonly #asked = new Map<string, { readonly coreKey: CoreKey; readonly length: number }>()

  constructor(parts: EpochServiceParts) {
    this.#parts = parts
    parts.replication.onCall(VOTE_METHOD, async (body, from) =>
      encodeVoteReply(await this.vote(decodeVoteRequest(body), from)),
    )
    parts.replication.onCall(RECORDS_METHOD, (body, from) => Promise.resolve(this.#answerRecords(body, from)))
    parts.replication.onCall(FRAME_METHOD, (body, from) => this.#answerFrame(body, from))
  }

  /** What promises allow the open volumes to take in. */
  readonly rules: VolumeRules = {
    lengthMax: (volume) => {
      if (volume.cut !== undefined) return volume.cut.length
      const { promisedEpoch } = this.#parts.records.of(volume.id)
      if (volume.role === 'primary' || promisedEpoch <= volume.epoch) return Number.POSITIVE_INFINITY
      const asked = this.#asked.get(hexOf(volume.id))
      const length = asked !== undefined && equalBytes(asked.coreKey, volume.coreKey) ? asked.length : 0
      return Math.max(volume.log.head().length, length)
    },
    onForgotten: (volume) => this.#parts.records.doubt(volume.id, volume.newestEpoch),
  }

  /** This node's own answer to a claim. */
  async vote(request: VoteRequest, from: NodeId): Promise<VoteReply> {
    const { records, volumeOf } = this.#parts
    const { claim } = request
    const volume = volumeOf(claim.volume)
    if (volume === undefined) return this.#refused(claim.volume, 'no-vote')
    if (!equalBytes(from, claim.writer)) return this.#refused(claim.volume, 'not-primary')
    if (!equalBytes(coreKeyOf(identityOf(claim)), request.coreKey)) return this.#refused(claim.volume, 'malformed')
    // Alone: a frame that is being taken in is either below the head that the vote is about, or refused after it.
    const reply = await volume.alone(async () => records.consider(request, this.#contextOf(volume, request)))
    if (reply.type === 'refused' && reply.refusal === 'cut-unknown' && claim.previousCoreKey !== undefined)
      this.#asked.set(hexOf(volume.id), { coreKey: claim.previousCoreKey, length: claim.cutLength })
    return reply
  }

  /** @throws HF_PEER_UNREACHABLE, HF_TIMEOUT, HF_DECODE */
  async askForVote(voter: NodeId, request: VoteRequest): Promise<VoteReply> {
    if (equalBytes(voter, this.#parts.self)) return this.vote(request, voter)
    return decodeVoteReply(await this.#call(voter, VOTE_METHOD, encodeVoteRequest(request)))
  }

  /** Later epochs than this volume's newest that the member knows, verified; they are not noted anywhere yet.
   *  @throws HF_PEER_UNREACHABLE, HF_TIMEOUT, HF_DECODE, HF_JOURNAL_REFUSED */
  async newerEpochs(volume: Volume, member: NodeId): Promise<readonly EpochRecord[]> {
    const request = encodeRecordsRequest({ volume: volume.id, after: volume.newestEpoch })
    const records = decodeRecords(await this.#call(member, RECORDS_METHOD, request))
    const newer = records.filter(({ claim }) => claim.epoch > volume.newestEpoch)
    if (newer.some(({ claim }) => !equalBytes(claim.volume, volume.id)))
      throw new HoldfastError('HF_JOURNAL_REFUSED', 'epochs of another volume')
    checkRecords(newer, { entries: this.#parts.state().volumeEntries(volume.id), head: volume.acceptedHead() })
    return newer
  }

  /** The member's frame with block `from` of a log, from that block on; undefined if it has none. Not verified.
   *  @throws HF_PEER_UNREACHABLE, HF_TIMEOUT, HF_DECODE */
  async fetchFrame(
    member: NodeId,
    volume: VolumeId,
    coreKey: CoreKey,
    from: number,
  ): Promise<JournalFrame | undefined> {
    const slices: Uint8Array[] = []
    for (let offset = 0; ;) {
      const body = encodeFrameRequest({ volume, coreKey, from, offset })
      const answer = decodeFrameSlice(await this.#call(member, FRAME_METHOD, body))
      if (answer === undefined) return undefined
      if (answer.total > FRAME_BYTES_MAX || answer.slice.byteLength === 0)
        throw new HoldfastError('HF_DECODE', 'a slice of a frame that is none')
      slices.push(answer.slice)
      offset += answer.slice.byteLength
      if (offset >= answer.total) return decodeFrame(Buffer.concat(slices), coreKey)
    }
  }

  #call(peer: NodeId, method: string, body: Uint8Array): Promise<Uint8Array> {
    return this.#parts.replication.call(peer, method, body, { timeoutMs: EPOCH_CALL_TIMEOUT_MS })
  }

  #refused(volume: VolumeId, refusal: 'no-vote' | 'not-primary' | 'malformed'): VoteReply {
    return { type: 'refused', refusal, promisedEpoch: this.#parts.records.of(volume).promisedEpoch }
  }

  #contextOf(volume: Volume, { claim }: VoteRequest) {
    const { self, state } = this.#parts
    const entry = state().volume(volume.id) ?? volume.entry
    const head = volume.acceptedHead()
    return {
      isVoter: votersOf(entry).some((voter) => equalBytes(voter, self)),
      primary: entry.primary,
      ...(head === undefined ? {} : { head }),
      knowsCharter: state().hasVersion(claim.charterHash),
    }
  }

  #answerRecords(body: Uint8Array, from: NodeId): Uint8Array {
    const { volume: id, after } = decodeRecordsRequest(body)
    const { records } = this.#openFor(id, from)
    return encodeRecords(records.filter(({ claim }) => claim.epoch > after).slice(0, RECORDS_MAX))
  }

  async #answerFrame(body: Uint8Array, from: NodeId): Promise<Uint8Array> {
    const request = decodeFrameRequest(body)
    const volume = this.#openFor(request.volume, from)
    const frame = await this.#storedFrame(volume, request.coreKey, request.from)
    if (frame === undefined) return encodeFrameSlice(undefined)
    const encoded = encodeFrame(frame)
    const slice = encoded.subarray(request.offset, request.offset + FRAME_SLICE_BYTES)
    return encodeFrameSlice({ total: encoded.byteLength, slice })
  }

  async #storedFrame(volume: Volume, coreKey: CoreKey, from: number): Promise<JournalFrame | undefined> {
    const own = { coreKey: volume.coreKey, storedKey: volume.storedKey, length: volume.log.head().length }
    const log = [own, ...volume.earlier].find((each) => equalBytes(each.coreKey, coreKey))
    if (log === undefined || from >= log.length) return undefined
    for await (const frame of this.#parts.store.journalFrames(log.storedKey, from)) {
      if (frame.start > from || frame.start + frame.blocks.length > log.length) return undefined
      return { ...frame, coreKey, start: from, blocks: frame.blocks.slice(from - frame.start) }
    }
    return undefined
  }

  #openFor(id: VolumeId, peer: NodeId): Volume {
    const volume = this.#parts.volumeOf(id)
    if (volume?.members.some(({ node }) => equalBytes(node, peer)) === true) return volume
    throw new HoldfastError('HF_NOT_FOUND', 'this node has no such volume for that peer')
  }
}
