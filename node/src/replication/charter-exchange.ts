/** Spreads the charter: to every peer when it connects and when something changes, and again to one whose digest stays another. */
import { labelledHash } from '@holdfast/hash'
import { HoldfastError, equalBytes, hexOf } from '@holdfast/ports'
import type { Clock, MessageStream, NodeId } from '@holdfast/ports'
import type { Channel } from './channel.ts'
import type { PeerTable } from './peer-table.ts'
import { asError, sleep } from './tasks.ts'
import type { CharterService, ReplicationLog } from './types.ts'

/** Largest charter that is sent, bytes. */
export const CHARTER_BUNDLE_BYTES_MAX = 4 * 1024 * 1024
/** A peer whose digest is another gets the charter again after this, ms: a merge there may have failed. */
export const CHARTER_REPAIR_MS = 10_000
/** Pause before the next charter of a peer whose last one was refused, ms. */
export const CHARTER_REFUSED_MS = 1_000
/** Pause before the next charter of a peer, as a multiple of the time that its last one took: a twentieth of the thread at most. */
export const CHARTER_PAUSE_RATIO = 20

export interface CharterExchangeOptions {
  readonly charter: CharterService
  readonly clock: Clock
  readonly log: ReplicationLog
  readonly table: PeerTable
}

export class CharterExchange {
  readonly #options: CharterExchangeOptions
  readonly #senders = new Map<string, Sender>()
  #digest: Uint8Array | undefined
  #stopListening: (() => void) | undefined

  constructor(options: CharterExchangeOptions) {
    this.#options = options
  }

  start(): void {
    this.#stopListening = this.#options.charter.onChange(() => {
      this.#digest = undefined
      for (const sender of this.#senders.values()) sender.send()
    })
  }

  stop(): void {
    this.#stopListening?.()
  }

  /** 32 bytes; equal for equal bundles. */
  digest(): Uint8Array {
    return (this.#digest ??= labelledHash('holdfast/charter-bundle/1', this.#options.charter.bundle()))
  }

  /** A connected peer, until the result is called. `onUp` of its channel must call `sendTo`. */
  add(peer: NodeId, channel: Channel, run: (work: () => Promise<void>) => void): () => void {
    const key = hexOf(peer)
    const sender = new Sender(this.#options, channel, run)
    this.#senders.set(key, sender)
    return () => {
      if (this.#senders.get(key) === sender) this.#senders.delete(key)
    }
  }

  sendTo(peer: NodeId): void {
    this.#senders.get(hexOf(peer))?.send()
  }

  /** The peer has told its digest. */
  onDigest(peer: NodeId, digest: Uint8Array): void {
    if (!equalBytes(digest, this.digest())) this.#senders.get(hexOf(peer))?.repair()
  }

  /** The stream of a peer: merges what comes. */
  async serve(stream: MessageStream, signal: AbortSignal): Promise<void> {
    const { charter, table, log, clock } = this.#options
    for (let m = await stream.receive({ signal }); m; m = await stream.receive({ signal })) {
      table.heard(stream.peer)
      if (m.byteLength > CHARTER_BUNDLE_BYTES_MAX) {
        throw new HoldfastError('HF_PEER_PROTOCOL', `a charter of ${m.byteLength} bytes`)
      }
      const startMs = clock.monotonicMs()
      let pauseMs = 0
      try {
        await charter.merge(m, stream.peer)
      } catch (error) {
        table.blame(stream.peer, 'charter', asError(error).message)
        log.debug({ err: error, peer: hexOf(stream.peer) }, 'a charter is refused')
        pauseMs = CHARTER_REFUSED_MS
      }
      // To merge or refuse it may have cost the checking of thousands of signatures, which no peer may have done all the time.
      pauseMs = Math.max(pauseMs, (clock.monotonicMs() - startMs) * CHARTER_PAUSE_RATIO)
      if (pauseMs > 0) await sleep(clock, pauseMs, signal)
    }
  }
}

/** Sends the newest charter to one peer; while one is under way, further changes make one more. */
class Sender {
  readonly #options: CharterExchangeOptions
  readonly #channel: Channel
  readonly #run: (work: () => Promise<void>) => void
  #due = false
  #sending = false
  #sentMs = -Infinity

  constructor(options: CharterExchangeOptions, channel: Channel, run: (work: () => Promise<void>) => void) {
    this.#options = options
    this.#channel = channel
    this.#run = run
  }

  repair(): void {
    if (this.#options.clock.monotonicMs() - this.#sentMs >= CHARTER_REPAIR_MS) this.send()
  }

  send(): void {
    this.#due = true
    if (this.#sending || !this.#channel.up) return
    this.#sending = true
    this.#run(async () => {
      try {
        while (this.#due) {
          this.#due = false
          this.#sentMs = this.#options.clock.monotonicMs()
          const bundle = this.#options.charter.bundle()
          if (bundle.byteLength <= CHARTER_BUNDLE_BYTES_MAX) await this.#channel.send(bundle)
          else this.#options.log.warn({ bytes: bundle.byteLength }, 'the charter is too large to be sent')
        }
      } finally {
        this.#sending = false
      }
    })
  }
}
