/** Serves the journals of this node to members that follow them: from memory at the tail, from the packs before. */
import { HoldfastError, equalBytes, hexOf } from '@holdfast/ports'
import type { Chunk, CoreKey, JournalFrame, MessageStream } from '@holdfast/ports'
import {
  FRAME_MESSAGE_BYTES_MAX,
  FRAME_PART_BYTES_MAX,
  Feed,
  decodeJournalRequest,
  encodeFrameMessage,
  encodeJournalAnswer,
} from '@holdfast/replication'
import type { JournalRequest, SubscribeRefusal } from '@holdfast/replication'
import type { LiveRing } from './live-ring.ts'
import type { PeerTable } from './peer-table.ts'
import { Mutex, Tasks } from './tasks.ts'
import type { JournalSource, ReplicatedVolume, ReplicationLog, VolumeRegistry } from './types.ts'

export interface JournalServerOptions {
  readonly volumes: VolumeRegistry
  readonly source: JournalSource
  readonly table: PeerTable
  readonly log: ReplicationLog
  readonly ringOf: (volume: ReplicatedVolume) => LiveRing | undefined
}

interface Subscription {
  readonly number: number
  readonly volume: ReplicatedVolume
  readonly coreKey: CoreKey
  /** Blocks of an earlier epoch's log, which does not grow; undefined for the present one. */
  readonly fixedLength: number | undefined
  readonly feed: Feed
  readonly stream: MessageStream
  readonly refuse: (reason: SubscribeRefusal) => void
  /** Wakes the pump: there may be something to send. */
  wake: () => void
  ended: boolean
  /** Settles when the pump has ended. */
  pumping: Promise<void>
}

export class JournalServer {
  readonly #options: JournalServerOptions
  readonly #subscriptions = new Set<Subscription>()

  constructor(options: JournalServerOptions) {
    this.#options = options
  }

  /** The log of the volume has grown. */
  grow(volume: ReplicatedVolume, length: number): void {
    for (const subscription of this.#subscriptions) {
      if (subscription.volume !== volume || subscription.fixedLength !== undefined) continue
      subscription.feed.grow(length)
      subscription.wake()
    }
  }

  /** Ends what is served of volumes that were closed or replaced. */
  check(): void {
    for (const s of this.#subscriptions) {
      if (this.#options.volumes.get(s.volume.id) !== s.volume) s.refuse('unknown-core')
      else if (!isMember(s.volume, s.stream)) s.refuse('unknown-volume')
    }
  }

  async serve(stream: MessageStream, signal: AbortSignal): Promise<void> {
    const present = new Map<string, Subscription>()
    const mutex = new Mutex()
    const pumps = new Tasks((error) => {
      this.#options.log.warn({ err: error, peer: hexOf(stream.peer) }, 'serving a journal failed')
      stream.abort()
    })
    try {
      for (let m = await stream.receive({ signal }); m; m = await stream.receive({ signal })) {
        this.#options.table.heard(stream.peer)
        await this.#onRequest(decodeJournalRequest(m), stream, present, pumps, mutex)
      }
    } finally {
      for (const subscription of present.values()) this.#end(subscription)
      // What the pumps wait for on the stream ends with it.
      stream.abort()
      await pumps.stop()
    }
  }

  /** Resolves when what the request leads to is on its way: a peer that asks and does not read is read no more. */
  async #onRequest(
    request: JournalRequest,
    stream: MessageStream,
    present: Map<string, Subscription>,
    pumps: Tasks,
    mutex: Mutex,
  ): Promise<void> {
    const key = hexOf(request.volume)
    const before = present.get(key)
    if (request.type !== 'subscribe') {
      if (!before || before.number !== request.subscription) return
      if (request.type === 'unsubscribe') {
        await this.#leave(before, present)
      } else if (before.feed.progress(request.length)) before.wake()
      else throw new HoldfastError('HF_PEER_PROTOCOL', 'progress beyond what was sent')
      return
    }
    if (before) await this.#leave(before, present)
    const { subscription: number, coreKey, from } = request
    const say = (reason: SubscribeRefusal): Promise<void> => {
      const answer = encodeJournalAnswer({ type: 'refused', volume: request.volume, subscription: number, reason })
      return mutex.run(() => stream.send(answer, { signal: pumps.signal }))
    }
    const refuse = (reason: SubscribeRefusal): void => {
      const served = present.get(key)
      if (served?.number === number) {
        this.#end(served)
        present.delete(key)
      }
      pumps.run(() => say(reason))
    }
    const volume = this.#options.volumes.get(request.volume)
    if (!volume || !isMember(volume, stream)) return say('unknown-volume')
    const earlier = volume.earlier?.find((log) => equalBytes(log.coreKey, coreKey))
    if (!earlier && !equalBytes(volume.coreKey, coreKey)) return say('unknown-core')
    const fixedLength = earlier?.length
    const length = fixedLength ?? volume.log.head().length
    if (from > length) return say('beyond-end')
    const feed = new Feed({ from, length })
    const served = { number, volume, coreKey, fixedLength, feed, stream, refuse }
    const subscription: Subscription = { ...served, wake: () => {}, ended: false, pumping: Promise.resolve() }
    present.set(key, subscription)
    this.#subscriptions.add(subscription)
    pumps.run((signal) => (subscription.pumping = this.#pump(subscription, mutex, signal)))
  }

  /** Ends the subscription and waits for its pump, so that there is never more than one a volume. */
  async #leave(subscription: Subscription, present: Map<string, Subscription>): Promise<void> {
    this.#end(subscription)
    present.delete(hexOf(subscription.volume.id))
    // Its failure is the pump's own affair.
    await subscription.pumping.catch(() => {})
  }

  #end(subscription: Subscription): void {
    subscription.ended = true
    subscription.wake()
    this.#subscriptions.delete(subscription)
  }

  async #pump(s: Subscription, mutex: Mutex, signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#end(s)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      while (!s.ended) {
        if (s.feed.next() === undefined) {
          await new Promise<void>((resolve) => (s.wake = resolve))
          continue
        }
        // Read and sent in one turn: of all volumes that a peer follows, one frame at a time is in memory for it.
        if (!(await mutex.run(() => this.#sendNext(s, signal)))) s.refuse('unavailable')
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Sends what is next; whether there was any. */
  async #sendNext(s: Subscription, signal: AbortSignal): Promise<boolean> {
    const next = s.feed.next()
    if (s.ended || next === undefined) return true
    const live = this.#ringOf(s)?.at(next)
    return live ? this.#send(s, live.frame, live.chunks, signal) : this.#sendStored(s, next, signal)
  }

  /** Sends stored frames until the window is full or the tail is in memory; whether there was any. */
  async #sendStored(s: Subscription, from: number, signal: AbortSignal): Promise<boolean> {
    let next: number | undefined = from
    for await (const frame of this.#options.source.journalFrames(s.coreKey, from)) {
      const end: number = frame.start + frame.blocks.length
      const length = s.fixedLength ?? s.volume.log.head().length
      if (s.ended || next === undefined || frame.start > next || end > length) break
      if (end <= next) continue
      const blocks = frame.blocks.slice(next - frame.start)
      const rest: JournalFrame = { ...frame, coreKey: s.coreKey, start: next, blocks }
      if (!(await this.#send(s, rest, [], signal))) break
      next = s.feed.next()
      if (next === undefined || this.#ringOf(s)?.at(next)) return true
    }
    return s.ended || next !== from
  }

  /** Newest commits in memory; only of the present log. */
  #ringOf(s: Subscription): LiveRing | undefined {
    return s.fixedLength === undefined ? this.#options.ringOf(s.volume) : undefined
  }

  /** Whether the frame could be sent. */
  async #send(s: Subscription, frame: JournalFrame, chunks: readonly Chunk[], signal: AbortSignal): Promise<boolean> {
    const { table, log } = this.#options
    const message = encodeFrameMessage({ volume: s.volume.id, subscription: s.number, frame, chunks })
    if (message.byteLength > FRAME_MESSAGE_BYTES_MAX) {
      log.warn({ volume: hexOf(s.volume.id), start: frame.start, bytes: message.byteLength }, 'a frame is too large')
      return false
    }
    s.feed.sent(frame.start + frame.blocks.length, message.byteLength)
    for (let at = 0; at < message.byteLength; at += FRAME_PART_BYTES_MAX) {
      const bytes = message.subarray(at, at + FRAME_PART_BYTES_MAX)
      const last = at + bytes.byteLength === message.byteLength
      await s.stream.send(encodeJournalAnswer({ type: 'frame-part', last, bytes }), { signal })
    }
    table.sent(s.stream.peer, message.byteLength)
    return true
  }
}

const isMember = (volume: ReplicatedVolume, { peer }: MessageStream): boolean =>
  volume.members.some((m) => equalBytes(m.node, peer))
