/** Follows the journal of one volume: performs what the core decides, and takes frames in one at a time. */
import { blake3 } from '@holdfast/hash'
import { HoldfastError, equalBytes, hasCode, hexOf } from '@holdfast/ports'
import type { Clock, NodeId, Random, Timer } from '@holdfast/ports'
import {
  FEED_WINDOW_BYTES,
  FOLLOW_STALL_MS,
  FRAME_MESSAGE_BYTES_MAX,
  Follow,
  LIVE_CHUNK_BYTES_MAX,
  RETRY_BACKOFF,
  backoffMs,
} from '@holdfast/replication'
import type { FollowEffect, FollowEvent, FollowSource, FrameMessage, JournalRequest } from '@holdfast/replication'
import type { PeerTable } from './peer-table.ts'
import type { Tasks } from './tasks.ts'
import type { ReplicatedVolume, ReplicationLog } from './types.ts'

export interface VolumeFollowerOptions {
  readonly volume: ReplicatedVolume
  readonly clock: Clock
  readonly random: Random
  readonly log: ReplicationLog
  readonly table: PeerTable
  readonly tasks: Tasks
  readonly request: (peer: NodeId, request: JournalRequest) => void
}

interface Waiting {
  readonly peer: NodeId
  readonly message: FrameMessage
  readonly byteLength: number
}

export class VolumeFollower {
  readonly volume: ReplicatedVolume
  readonly #options: VolumeFollowerOptions
  readonly #core: Follow
  /** Frames in order that wait to be accepted: at most the window of the feed and one frame. */
  #queue: Waiting[] = []
  #queueBytes = 0
  #accepting = false
  #timer: Timer | undefined
  #watchTimer: Timer | undefined
  #stopped = false

  constructor(options: VolumeFollowerOptions) {
    this.volume = options.volume
    this.#options = options
    const { volume } = options
    this.#core = new Follow({ length: volume.log.head().length, onlyIfBehind: volume.role === 'primary' })
  }

  /** The member that is followed at present. */
  get source(): NodeId | undefined {
    return this.#core.source
  }

  sources(sources: readonly FollowSource[]): void {
    this.#step({ type: 'sources', sources })
  }

  /** The own log has grown. */
  grown(length: number): void {
    this.#step({ type: 'length', length })
  }

  onRefused(subscription: number, reason: 'unknown-volume' | 'unknown-core' | 'beyond-end' | 'unavailable'): void {
    this.#options.log.debug({ volume: hexOf(this.volume.id), reason }, 'a member does not serve the journal')
    this.#step({ type: 'refused', subscription, reason })
  }

  onFrame(peer: NodeId, message: FrameMessage, byteLength: number): void {
    const { subscription, frame } = message
    // Only from whom it was asked: else any member could have the source blamed for what it sends itself.
    if (!this.source || !equalBytes(this.source, peer)) return
    if (!equalBytes(frame.coreKey, this.volume.coreKey)) return
    if (this.#queueBytes + byteLength > FEED_WINDOW_BYTES + FRAME_MESSAGE_BYTES_MAX) {
      this.#step({ type: 'violation', subscription, reason: 'sent more than its window' })
      return
    }
    const event: FollowEvent = { type: 'frame', subscription, start: frame.start, blockCount: frame.blocks.length }
    this.#step(event, { peer, message, byteLength })
  }

  /** What is being accepted goes on; nothing new begins. */
  stop(): void {
    this.#step({ type: 'stop' })
    this.#stopped = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#watchTimer?.cancel()
    this.#watchTimer = undefined
  }

  #step(event: FollowEvent, waiting?: Waiting): void {
    if (this.#stopped) return
    // None of the effects takes a step before all are performed: what is accepted begins in a later turn.
    for (const effect of this.#core.step(event, this.#options.clock.monotonicMs())) this.#perform(effect, waiting)
    this.#watch()
  }

  /** Looks after a source that has more and sends none. */
  #watch(): void {
    if (this.#watchTimer || this.#stopped || !this.#core.awaited) return
    this.#watchTimer = this.#options.clock.setTimer(FOLLOW_STALL_MS, () => {
      this.#watchTimer = undefined
      this.#step({ type: 'tick' })
    })
  }

  #perform(effect: FollowEffect, waiting: Waiting | undefined): void {
    const { volume, request, table, clock, random } = this.#options
    switch (effect.type) {
      case 'subscribe': {
        const { peer, subscription, from } = effect
        request(peer, { type: 'subscribe', volume: volume.id, subscription, coreKey: volume.coreKey, from })
        break
      }
      case 'unsubscribe':
        request(effect.peer, { type: 'unsubscribe', volume: volume.id, subscription: effect.subscription })
        break
      case 'progress': {
        const { peer, subscription, length } = effect
        request(peer, { type: 'progress', volume: volume.id, subscription, length })
        break
      }
      case 'accept':
        if (waiting) this.#enqueue(waiting)
        break
      case 'drop-queue':
        this.#dropQueue()
        break
      case 'blame':
        table.blame(effect.peer, effect.reason, effect.detail)
        break
      case 'retry-later': {
        this.#timer?.cancel()
        const delayMs = backoffMs(RETRY_BACKOFF, effect.failures, random.fraction())
        this.#timer = clock.setTimer(delayMs, () => this.#step({ type: 'retry' }))
        break
      }
    }
  }

  #dropQueue(): void {
    this.#queue = []
    this.#queueBytes = 0
  }

  #enqueue(waiting: Waiting): void {
    this.#queue.push(waiting)
    this.#queueBytes += waiting.byteLength
    if (this.#accepting) return
    this.#accepting = true
    this.#options.tasks.run(async () => {
      await Promise.resolve()
      try {
        for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
          this.#queueBytes -= next.byteLength
          await this.#accept(next)
        }
      } finally {
        this.#accepting = false
      }
    })
  }

  async #accept({ peer, message, byteLength }: Waiting): Promise<void> {
    const { volume, log, table } = this.#options
    const { frame, chunks } = message
    try {
      if (frame.start + frame.blocks.length > volume.log.head().length) {
        checkChunks(message)
        await volume.accept(frame, chunks)
        table.verified(peer)
        table.received(peer, byteLength)
      }
      this.#step({ type: 'length', length: volume.log.head().length })
    } catch (error) {
      const reason = reasonOf(error)
      log.warn(
        { err: error, volume: hexOf(volume.id), peer: hexOf(peer), start: frame.start },
        'a frame was not accepted',
      )
      this.#step({ type: 'not-accepted', peer, reason })
    }
  }
}

/** @throws HF_JOURNAL_REFUSED */
function checkChunks({ chunks }: FrameMessage): void {
  const bytes = chunks.reduce((sum, c) => sum + c.bytes.byteLength, 0)
  if (bytes > LIVE_CHUNK_BYTES_MAX || !chunks.every((c) => equalBytes(blake3(c.bytes), c.id))) {
    throw new HoldfastError('HF_JOURNAL_REFUSED', 'a chunk that came along with a frame is not what its id says')
  }
}

function reasonOf(error: unknown): 'gap' | 'refused' | 'failed' {
  if (hasCode(error, 'HF_JOURNAL_GAP')) return 'gap'
  const refused = ['HF_JOURNAL_REFUSED', 'HF_DECODE', 'HF_RECORD_MISMATCH', 'HF_CHUNK_CORRUPT'] as const
  return refused.some((code) => hasCode(error, code)) ? 'refused' : 'failed'
}
