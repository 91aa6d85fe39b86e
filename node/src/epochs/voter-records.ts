import type { SigningKey } from '@holdfast/keys'
import {
  considerVote,
  decodeVoterRecords,
  encodeVoterRecords,
  learnEpoch,
  lostVoterRecord,
  newVoterRecord,
  type VoteContext,
  type VoteReply,
  type VoterRecord,
  type VoteRequest,
} from '@holdfast/failover'
import { asCoreKey, equalBytes, hexOf } from '@holdfast/ports'
import type { VolumeId } from '@holdfast/ports'
import type { Home } from '../home/index.ts'

/** Stands in a writer's own record in the place of the vote for its epoch, which is over: a vote for no log. The next claim is for
 *  the epoch after, so nothing is promised beyond it. */
const DOUBT = { claimHash: new Uint8Array(32), coreKey: asCoreKey(new Uint8Array(32)) }

/** What this node has promised as a voter, of every volume: durable before anybody hears of it. */
export class VoterRecords {
  readonly #home: Pick<Home, 'readState' | 'writeState'>
  readonly #key: SigningKey
  readonly #records = new Map<string, VoterRecord>()
  /** The stored records cannot be read. They stay as they are: nobody gets a vote, after a restart neither, until the operator says so. */
  readonly #lost: boolean

  constructor(home: Pick<Home, 'readState' | 'writeState'>, key: SigningKey, onLost: (error: unknown) => void) {
    this.#home = home
    this.#key = key
    let lost = false
    try {
      const kept = home.readState('epochs')
      for (const record of kept === undefined ? [] : decodeVoterRecords(kept))
        this.#records.set(hexOf(record.volume), record)
    } catch (error) {
      lost = true
      onLost(error)
    }
    this.#lost = lost
  }

  of(volume: VolumeId): VoterRecord {
    return this.#records.get(hexOf(volume)) ?? (this.#lost ? lostVoterRecord(volume) : newVoterRecord(volume))
  }

  /** Answers by failover's rules. A vote is durable when this returns.
   *  @throws HF_HOME_READ_ONLY, HF_DRIVE_FULL, HF_DRIVE_FAILED: then there is no vote */
  consider(request: VoteRequest, context: VoteContext): VoteReply {
    const answer = considerVote(this.of(request.claim.volume), this.#key, request, context)
    if (answer.persist) this.#keep(answer.record)
    return answer.reply
  }

  /** Never again takes writes of epochs below this one; durable when this returns. @throws as `consider` */
  fence(volume: VolumeId, epoch: number): void {
    const before = this.of(volume)
    const record = learnEpoch(before, epoch)
    if (record !== before) this.#keep(record)
  }

  /** Notes, durably, that this node may have lost what it wrote in `epoch`, its own: it writes no more there. @throws as `consider` */
  doubt(volume: VolumeId, epoch: number): void {
    if (this.inDoubt(volume, epoch)) return
    this.#keep({ ...this.of(volume), promisedEpoch: epoch, votedFor: DOUBT })
  }

  /** Whether this node, the volume's primary, has left the epoch: by doubt, or by a claim of a later one. */
  inDoubt(volume: VolumeId, epoch: number): boolean {
    const { promisedEpoch, votedFor, abstaining } = this.of(volume)
    if (abstaining || promisedEpoch > epoch) return true
    return promisedEpoch === epoch && votedFor !== undefined && equalBytes(votedFor.coreKey, DOUBT.coreKey)
  }

  #keep(record: VoterRecord): void {
    const key = hexOf(record.volume)
    const all = new Map(this.#records).set(key, record)
    if (!this.#lost) this.#home.writeState('epochs', encodeVoterRecords([...all.values()]))
    this.#records.set(key, record)
  }
}
