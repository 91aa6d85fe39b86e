/** Fetches the chunks that the volumes lack, and those that somebody waits for: performs what the core decides, compares every
 *  chunk with its id before it is stored or given out, and stores in batches, one sync each. */
import { blake3 } from '@holdfast/hash'
import { HoldfastError, MIB, equalBytes, hexOf, throwIfAborted } from '@holdfast/ports'
import type { Chunk, ChunkId, ChunkStore, Clock, NodeId, Timer, VolumeId } from '@holdfast/ports'
import { FETCH_WANTS_MAX, Fetch, decodeChunkAnswer } from '@holdfast/replication'
import type { ChunkRequest, FetchEffect, FetchEvent, FetchSource } from '@holdfast/replication'
import type { PeerTable } from './peer-table.ts'
import type { Tasks } from './tasks.ts'
import type { ReplicatedVolume, ReplicationLog, VolumeRegistry } from './types.ts'

/** Time between looks at what stalls or is missing again, ms; only while something is. */
export const FETCH_TICK_MS = 2_000
/** Missing chunks asked of a volume at a time. */
const MISSING_BATCH = 256
/** Chunks stored with one sync, bytes. */
const STORE_BATCH_BYTES = 8 * MIB
/** Callers that wait for chunks, in all. */
export const FETCH_WAITERS_MAX = 256
/** Longest wait for one chunk, ms. */
export const FETCH_TIMEOUT_MS = 60_000

export interface ChunkFetcherOptions {
  readonly volumes: VolumeRegistry
  readonly store: ChunkStore
  readonly clock: Clock
  readonly log: ReplicationLog
  readonly table: PeerTable
  readonly tasks: Tasks
  /** Sends on the chunk stream of the peer, in order. */
  readonly request: (peer: NodeId, request: ChunkRequest) => void
  readonly resetStream: (peer: NodeId) => void
}

interface Waiter {
  readonly resolve: (bytes: Uint8Array) => void
  readonly reject: (error: HoldfastError) => void
}

interface Verified {
  readonly volume: VolumeId
  readonly chunk: Chunk
}

export class ChunkFetcher {
  readonly #options: ChunkFetcherOptions
  readonly #core = new Fetch()
  readonly #waiters = new Map<string, Set<Waiter>>()
  #waiterCount = 0
  /** Chunks that match their id and wait to be stored: bounded by the credit, which they still use. */
  #verified: Verified[] = []
  /** Effects are performed in the order they were given, also when performing one gives more. */
  readonly #effects: FetchEffect[] = []
  #performing = false
  #storing = false
  #refilling = false
  #timer: Timer | undefined
  #stopped = false

  constructor(options: ChunkFetcherOptions) {
    this.#options = options
  }

  peerUp(peer: NodeId): void {
    this.#step({ type: 'peer-up', peer })
    this.refill()
  }

  peerDown(peer: NodeId): void {
    this.#step({ type: 'peer-down', peer })
    this.refill()
  }

  roundTrip(peer: NodeId, rttMs: number): void {
    this.#step({ type: 'round-trip', peer, rttMs })
  }

  sources(volume: VolumeId, sources: readonly FetchSource[]): void {
    this.#step({ type: 'sources', volume, sources })
    this.refill()
  }

  /** @throws HF_PEER_PROTOCOL */
  onMessage(peer: NodeId, encoded: Uint8Array): void {
    const answer = decodeChunkAnswer(encoded)
    this.#options.table.heard(peer)
    if (answer.type === 'slice') this.#options.table.received(peer, answer.bytes.byteLength)
    this.#step({ type: 'answer', peer, answer })
  }

  /** Looks, before long, for what the volumes lack. */
  refill(): void {
    if (this.#refilling || this.#stopped) return
    this.#refilling = true
    queueMicrotask(() => {
      this.#refilling = false
      if (!this.#stopped) this.#refill()
    })
  }

  /** See `Replication.fetchChunk`. */
  async fetch(
    volume: VolumeId,
    id: ChunkId,
    storedBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    throwIfAborted(signal)
    if (this.#stopped) throw new HoldfastError('HF_CLOSED', 'replication is stopped')
    if (this.#waiterCount >= FETCH_WAITERS_MAX) {
      throw new HoldfastError('HF_BUSY', `${FETCH_WAITERS_MAX} chunks are waited for already`, { retryable: true })
    }
    const key = keyOf(volume, id)
    const { clock } = this.#options
    this.#waiterCount++
    let timer: Timer | undefined
    let onAbort: (() => void) | undefined
    let waiter: Waiter | undefined
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        waiter = { resolve, reject }
        const present = this.#waiters.get(key)
        if (present) present.add(waiter)
        else this.#waiters.set(key, new Set([waiter]))
        timer = clock.setTimer(FETCH_TIMEOUT_MS, () =>
          reject(new HoldfastError('HF_TIMEOUT', 'no member sent the chunk in time', { retryable: true })),
        )
        onAbort = () => reject(new HoldfastError('HF_ABORTED', 'aborted', { cause: signal?.reason }))
        signal?.addEventListener('abort', onAbort, { once: true })
        this.#step({ type: 'want', volume, chunk: { id, storedBytes } })
        this.#schedule()
      })
    } finally {
      this.#waiterCount--
      timer?.cancel()
      if (onAbort) signal?.removeEventListener('abort', onAbort)
      this.#forget(volume, id, waiter)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const set of this.#waiters.values()) {
      for (const waiter of set) waiter.reject(new HoldfastError('HF_CLOSED', 'replication is stopped'))
    }
  }

  #forget(volume: VolumeId, id: ChunkId, waiter: Waiter | undefined): void {
    const key = keyOf(volume, id)
    const set = this.#waiters.get(key)
    if (!set || !waiter || !set.delete(waiter) || set.size > 0) return
    this.#waiters.delete(key)
    this.#step({ type: 'unwant', volume, id })
  }

  #refill(): void {
    const { volumes, store } = this.#options
    for (const volume of volumes.list()) {
      if (this.#core.room < FETCH_WANTS_MAX / 2) break
      const skip = (id: ChunkId): boolean => this.#core.knows(volume.id, id) || store.has(volume.id, id)
      const chunks = volume.missing(MISSING_BATCH, skip)
      if (chunks.length > 0) this.#step({ type: 'missing', volume: volume.id, chunks })
    }
    this.#schedule()
  }

  /** Ticks while anything is wanted or missing. */
  #schedule(): void {
    if (this.#timer || this.#stopped) return
    if (this.#core.idle && !this.#options.volumes.list().some(lacksSomething)) return
    this.#timer = this.#options.clock.setTimer(FETCH_TICK_MS, () => {
      this.#timer = undefined
      this.#step({ type: 'tick' })
      this.#tellHeld()
      this.#refill()
    })
  }

  /** What is held is not fetched; whichever way it came, a volume that still misses it is told. */
  #tellHeld(): void {
    const { volumes, store } = this.#options
    for (const volume of volumes.list()) {
      for (const { id } of volume.missing(MISSING_BATCH, (chunk) => !store.has(volume.id, chunk)))
        volume.chunkArrived(id)
    }
  }

  #step(event: FetchEvent): void {
    if (this.#stopped) return
    this.#effects.push(...this.#core.step(event, this.#options.clock.monotonicMs()))
    if (this.#performing) return
    this.#performing = true
    for (let next = this.#effects.shift(); next; next = this.#effects.shift()) this.#perform(next)
    this.#performing = false
  }

  #perform(effect: FetchEffect): void {
    const { request, resetStream, table } = this.#options
    switch (effect.type) {
      case 'request':
        request(effect.peer, { volume: effect.volume, first: effect.first, ids: effect.ids })
        break
      case 'check':
        this.#check(effect)
        break
      case 'blame':
        table.blame(effect.peer, effect.reason, effect.detail)
        break
      case 'reset':
        resetStream(effect.peer)
        break
      case 'unavailable':
        for (const { reject } of this.#waiters.get(keyOf(effect.volume, effect.id)) ?? []) {
          reject(new HoldfastError('HF_CHUNK_MISSING', 'no member in reach holds the chunk', { retryable: true }))
        }
        break
    }
  }

  #check({ peer, volume, id, bytes, store, deliver }: Extract<FetchEffect, { type: 'check' }>): void {
    if (!equalBytes(blake3(bytes), id)) {
      this.#step({ type: 'settled', volume, id, outcome: 'corrupt' })
      return
    }
    this.#options.table.verified(peer)
    if (deliver) {
      for (const { resolve } of this.#waiters.get(keyOf(volume, id)) ?? []) resolve(Uint8Array.from(bytes))
    }
    if (!store) {
      this.#step({ type: 'settled', volume, id, outcome: 'good' })
      return
    }
    this.#verified.push({ volume, chunk: { id, bytes } })
    this.#store()
  }

  #store(): void {
    if (this.#storing) return
    this.#storing = true
    this.#options.tasks.run(async () => {
      try {
        while (this.#verified.length > 0) await this.#storeBatch(this.#takeBatch())
      } finally {
        this.#storing = false
      }
    })
  }

  /** The oldest chunks of one volume, up to `STORE_BATCH_BYTES`. */
  #takeBatch(): Verified[] {
    const batch: Verified[] = []
    const rest: Verified[] = []
    let bytes = 0
    for (const item of this.#verified) {
      const first = batch[0] ?? item
      const fits =
        equalBytes(first.volume, item.volume) &&
        (bytes === 0 || bytes + item.chunk.bytes.byteLength <= STORE_BATCH_BYTES)
      if (fits) {
        batch.push(item)
        bytes += item.chunk.bytes.byteLength
      } else rest.push(item)
    }
    this.#verified = rest
    return batch
  }

  async #storeBatch(batch: readonly Verified[]): Promise<void> {
    const volumeId = batch[0]?.volume
    if (!volumeId) return
    let outcome: 'good' | 'failed' = 'good'
    try {
      await this.#options.store.put(
        volumeId,
        batch.map((b) => b.chunk),
      )
    } catch (error) {
      outcome = 'failed'
      this.#options.log.warn({ err: error, volume: hexOf(volumeId) }, 'fetched chunks could not be stored')
    }
    const volume = this.#options.volumes.get(volumeId)
    for (const { chunk } of batch) {
      if (outcome === 'good') volume?.chunkArrived(chunk.id)
      this.#step({ type: 'settled', volume: volumeId, id: chunk.id, outcome })
    }
    this.refill()
  }
}

const keyOf = (volume: VolumeId, id: ChunkId): string => `${hexOf(volume)} ${hexOf(id)}`

const lacksSomething = (volume: ReplicatedVolume): boolean => volume.completeLength() < volume.log.head().length
