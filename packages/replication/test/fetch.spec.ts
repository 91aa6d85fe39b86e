import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { KIB, MIB, hexOf } from '@holdfast/ports'
import type { ChunkId, NodeId } from '@holdfast/ports'
import {
  CHUNKS_PER_PEER_MAX,
  CHUNK_BYTES_MAX,
  CHUNK_IDS_PER_REQUEST_MAX,
  CREDIT_BYTES_START,
  FETCH_ABSENT_MS,
  FETCH_BLAMED_MS,
  FETCH_STALL_BYTES,
  FETCH_STALL_MS,
  FETCH_WANTS_MAX,
  Fetch,
} from '../src/index.ts'
import type { FetchEffect, FetchEvent, WantedChunk } from '../src/index.ts'
import { chunk, node, volumeId } from './ids.ts'

const volume = volumeId(1)
const [a, b] = [node(1), node(2)]
const wanted = (n: number, storedBytes = 100): WantedChunk => ({ id: chunk(n), storedBytes })

const want = (n: number): FetchEvent => ({ type: 'want', volume, chunk: wanted(n) })
const sizes = (n: number): number => (n % 3 === 0 ? MIB : 50_000)

/** The fetcher with its clock, and its effects as short lines. */
class Bench {
  readonly fetch = new Fetch()
  nowMs = 0
  effects: FetchEffect[] = []

  tell(event: FetchEvent): string[] {
    const effects = this.fetch.step(event, this.nowMs)
    this.effects.push(...effects)
    return effects.map(line)
  }

  up(...peers: NodeId[]): void {
    for (const peer of peers) this.tell({ type: 'peer-up', peer })
  }

  sources(...peers: [NodeId, boolean][]): string[] {
    return this.tell({ type: 'sources', volume, sources: peers.map(([peer, complete]) => ({ peer, complete })) })
  }

  missing(...chunks: WantedChunk[]): string[] {
    return this.tell({ type: 'missing', volume, chunks })
  }

  /** The whole chunk in one slice. */
  slice(peer: NodeId, number: number, totalBytes = 100, offset = 0, byteLength = totalBytes): string[] {
    const bytes = new Uint8Array(byteLength)
    return this.tell({ type: 'answer', peer, answer: { type: 'slice', number, totalBytes, offset, bytes } })
  }

  lacks(peer: NodeId, number: number): string[] {
    return this.tell({ type: 'answer', peer, answer: { type: 'missing', number } })
  }

  settled(n: number, outcome: 'good' | 'corrupt' | 'failed' = 'good'): string[] {
    return this.tell({ type: 'settled', volume, id: chunk(n), outcome })
  }
}

const numberOf = (id: ChunkId): number => new DataView(id.buffer, id.byteOffset).getUint32(0)

function line(effect: FetchEffect): string {
  switch (effect.type) {
    case 'request':
      return `request ${effect.peer[0]} #${effect.first} ${effect.ids.map(numberOf).join()}`
    case 'check':
      return `check ${effect.peer[0]} ${numberOf(effect.id)}${effect.store ? ' store' : ''}${effect.deliver ? ' deliver' : ''}`
    case 'unavailable':
      return `unavailable ${numberOf(effect.id)}`
    default:
      return `${effect.type} ${effect.peer[0]}`
  }
}

describe('Fetch', () => {
  let bench: Bench
  beforeEach(() => (bench = new Bench()))

  it('asks a source, checks what comes, and is done', () => {
    bench.up(a)
    bench.sources([a, true])
    assert.deepEqual(bench.missing(wanted(1), wanted(2)), ['request 1 #0 1,2'])
    assert.ok(bench.fetch.knows(volume, chunk(1)))
    assert.deepEqual(bench.slice(a, 0), ['check 1 1 store'])
    assert.deepEqual(bench.slice(a, 1, 100, 0, 60), [])
    assert.deepEqual(bench.slice(a, 1, 100, 60, 40), ['check 1 2 store'])
    assert.deepEqual([...bench.settled(1), ...bench.settled(2)], [])
    assert.equal(bench.fetch.idle, true)
  })

  it('prefers a complete source, then the nearest, then the least loaded', () => {
    bench.up(a, b)
    bench.tell({ type: 'round-trip', peer: a, rttMs: 10 })
    bench.tell({ type: 'round-trip', peer: b, rttMs: 30 })
    bench.sources([a, false], [b, true])
    assert.deepEqual(bench.missing(wanted(1)), ['request 2 #0 1'])
    bench.sources([a, true], [b, true])
    assert.deepEqual(bench.missing(wanted(2)), ['request 1 #0 2'])
    bench.tell({ type: 'round-trip', peer: a, rttMs: 29 })
    assert.deepEqual(bench.missing(wanted(3, MIB)), ['request 1 #1 3'])
    assert.deepEqual(bench.missing(wanted(4, MIB)), ['request 2 #1 4'])
  })

  it('asks for no more bytes than its credit, and for more as they are dealt with', () => {
    bench.up(a)
    bench.sources([a, true])
    const size = 512 * KIB
    const count = CREDIT_BYTES_START / size
    const requests = bench.missing(...Array.from({ length: 2 * count }, (_, i) => wanted(i, size)))
    assert.deepEqual(requests, [`request 1 #0 ${Array.from({ length: count }, (_, i) => i).join()}`])
    assert.deepEqual(bench.slice(a, 0, size), ['check 1 0 store'], 'bytes that wait to be stored still count')
    assert.deepEqual(bench.settled(0), [`request 1 #${count} ${count}`])
  })

  it('bounds the count as well, and the ids of one request', () => {
    bench.up(a)
    bench.sources([a, true])
    bench.missing(...Array.from({ length: CHUNKS_PER_PEER_MAX + 5 }, (_, i) => wanted(i, 1)))
    const requests = bench.effects.filter((e) => e.type === 'request')
    assert.equal(
      requests.reduce((sum, r) => sum + r.ids.length, 0),
      CHUNKS_PER_PEER_MAX,
    )
    assert.ok(requests.every((r) => r.ids.length <= CHUNK_IDS_PER_REQUEST_MAX))
  })

  it('passes a chunk above the credit alone, and remembers one above the limit as absent', () => {
    bench.up(a)
    bench.sources([a, true])
    bench.tell({ type: 'round-trip', peer: a, rttMs: 1 })
    for (let i = 0; i < 10; i++) bench.tell({ type: 'round-trip', peer: a, rttMs: 500 })
    assert.deepEqual(bench.missing(wanted(1, CHUNK_BYTES_MAX), wanted(2, 1)), ['request 1 #0 1'])
    assert.deepEqual(bench.missing(wanted(3, CHUNK_BYTES_MAX + 1)), [])
    assert.ok(bench.fetch.knows(volume, chunk(3)))
  })

  it('has room for so many', () => {
    bench.up(a)
    bench.sources([a, true])
    bench.missing(...Array.from({ length: FETCH_WANTS_MAX + 10 }, (_, i) => wanted(i, MIB)))
    assert.equal(bench.fetch.room, 0)
    assert.equal(bench.fetch.knows(volume, chunk(FETCH_WANTS_MAX)), false)
  })

  it('a source without the chunk: asks the next; all without it: forgets it for a while', () => {
    bench.up(a, b)
    bench.sources([a, true], [b, true])
    assert.deepEqual(bench.missing(wanted(1)), ['request 1 #0 1'])
    assert.deepEqual(bench.lacks(a, 0), ['request 2 #0 1'])
    assert.deepEqual(bench.lacks(b, 0), [])
    assert.ok(bench.fetch.idle && bench.fetch.knows(volume, chunk(1)))
    bench.nowMs += FETCH_ABSENT_MS
    bench.tell({ type: 'tick' })
    assert.equal(bench.fetch.knows(volume, chunk(1)), false)
  })

  it('a source that appears, or becomes complete, ends the wait', () => {
    bench.up(a, b)
    bench.sources([a, false])
    bench.missing(wanted(1))
    bench.lacks(a, 0)
    bench.sources([a, true])
    assert.equal(bench.fetch.knows(volume, chunk(1)), false)
    bench.missing(wanted(1))
    bench.lacks(a, 1)
    bench.sources([a, true])
    assert.ok(bench.fetch.knows(volume, chunk(1)), 'the same sources do not')
    bench.sources([a, true], [b, false])
    assert.equal(bench.fetch.knows(volume, chunk(1)), false)
  })

  it('wrong bytes: blames the sender, asks another, and leaves the sender alone for a while', () => {
    bench.up(a, b)
    bench.sources([a, true], [b, true])
    bench.missing(wanted(1))
    bench.slice(a, 0)
    assert.deepEqual(bench.settled(1, 'corrupt'), ['blame 1', 'request 2 #0 1'])
    assert.deepEqual(bench.missing(wanted(2)), ['request 2 #1 2'])
    bench.nowMs += FETCH_BLAMED_MS
    assert.deepEqual(bench.missing(wanted(3)), ['request 1 #1 3'])
  })

  it('a chunk that could not be stored is not asked for again at once', () => {
    bench.up(a)
    bench.sources([a, true])
    bench.missing(wanted(1))
    bench.slice(a, 0)
    assert.deepEqual(bench.settled(1, 'failed'), [])
    assert.ok(bench.fetch.knows(volume, chunk(1)))
  })

  for (const [what, misbehave] of [
    ['an answer nobody asked for', (t: Bench) => t.slice(a, 7)],
    ['another length than recorded', (t: Bench) => t.slice(a, 0, 99)],
    ['a slice at the wrong place', (t: Bench) => t.slice(a, 0, 100, 10, 20)],
    ['an empty slice', (t: Bench) => t.slice(a, 0, 100, 0, 0)],
    ['a slice beyond the end', (t: Bench) => t.slice(a, 0, 100, 0, 101)],
    [
      'a chunk that ends as missing',
      (t: Bench) => {
        t.slice(a, 0, 100, 0, 50)
        return t.lacks(a, 0)
      },
    ],
  ] as const) {
    it(`${what}: blames, ends the stream, and asks another`, () => {
      bench.up(a, b)
      bench.sources([a, true], [b, true])
      bench.missing(wanted(1))
      assert.deepEqual(misbehave(bench), ['blame 1', 'reset 1', 'request 2 #0 1'])
      assert.deepEqual(bench.slice(a, 0), [], 'what still comes is ignored')
    })
  }

  it('a silent source: gives up on it after a while, and asks another', () => {
    bench.up(a, b)
    bench.sources([a, true], [b, true])
    bench.missing(wanted(1))
    bench.nowMs += FETCH_STALL_MS - 1
    assert.deepEqual(bench.tell({ type: 'tick' }), [])
    bench.nowMs += 1
    assert.deepEqual(bench.tell({ type: 'tick' }), ['blame 1', 'reset 1', 'request 2 #0 1'])
  })

  it('a source that sends a byte now and then stalls, too: what it owes comes from another', () => {
    bench.up(a, b)
    bench.tell({ type: 'round-trip', peer: b, rttMs: 500 })
    bench.sources([a, true], [b, true])
    assert.deepEqual(bench.missing(wanted(1, MIB)), ['request 1 #0 1'])
    for (let offset = 0; offset < 3; offset++) {
      bench.nowMs += FETCH_STALL_MS / 4
      bench.slice(a, 0, MIB, offset, 1)
      assert.deepEqual(bench.tell({ type: 'tick' }), [])
    }
    bench.nowMs += FETCH_STALL_MS / 4
    bench.slice(a, 0, MIB, 3, 1)
    assert.deepEqual(bench.tell({ type: 'tick' }), ['blame 1', 'reset 1', 'request 2 #0 1'])
  })

  it('a slow source that keeps the pace is none', () => {
    bench.up(a, b)
    bench.tell({ type: 'round-trip', peer: b, rttMs: 500 })
    bench.sources([a, true], [b, true])
    bench.missing(wanted(1, MIB))
    for (let offset = 0; offset < MIB - FETCH_STALL_BYTES; offset += FETCH_STALL_BYTES / 2) {
      bench.nowMs += FETCH_STALL_MS / 2
      bench.slice(a, 0, MIB, offset, FETCH_STALL_BYTES / 2)
      assert.deepEqual(bench.tell({ type: 'tick' }), [])
    }
  })

  it('a lost source: what was asked is asked elsewhere, and of the same one when it returns', () => {
    bench.up(a, b)
    bench.sources([a, true], [b, true])
    bench.missing(wanted(1))
    assert.deepEqual(bench.tell({ type: 'peer-down', peer: a }), ['request 2 #0 1'])
    assert.deepEqual(bench.tell({ type: 'peer-down', peer: b }), [])
    assert.equal(bench.fetch.idle, true, 'with nobody there, wanting is left to the volume')
    bench.up(a)
    assert.deepEqual(bench.missing(wanted(1)), ['request 1 #0 1'])
  })

  describe('a chunk that somebody waits for', () => {
    it('comes before those that are only missing, and is not stored unless it is missing too', () => {
      bench.up(a)
      bench.sources([a, true])
      bench.missing(...Array.from({ length: 10 }, (_, i) => wanted(i, MIB)))
      assert.deepEqual(bench.tell(want(99)), [], 'the credit is in use')
      bench.slice(a, 0, MIB)
      assert.deepEqual(bench.settled(0), ['request 1 #2 99'])
      bench.slice(a, 1, MIB)
      assert.deepEqual(bench.slice(a, 2), ['check 1 99 deliver'])
    })

    it('is both when it is both', () => {
      bench.up(a)
      bench.sources([a, true])
      bench.missing(wanted(1))
      assert.deepEqual(bench.tell(want(1)), [])
      assert.deepEqual(bench.slice(a, 0), ['check 1 1 store deliver'])
    })

    it('is said to be unavailable when no source has it, or none is there', () => {
      assert.deepEqual(bench.tell(want(1)), ['unavailable 1'])
      bench.up(a)
      bench.sources([a, true])
      bench.tell(want(1))
      assert.deepEqual(bench.lacks(a, 0), ['unavailable 1'])
      assert.deepEqual(bench.tell(want(1)), ['request 1 #1 1'], 'and is asked for anew by the next who waits')
    })

    it('is forgotten when nobody waits any more', () => {
      bench.up(a)
      bench.sources([a, true])
      bench.missing(wanted(0, MIB), wanted(5, MIB))
      bench.tell(want(1))
      bench.tell({ type: 'unwant', volume, id: chunk(1) })
      bench.slice(a, 0, MIB)
      assert.deepEqual(bench.settled(0), [])
    })
  })

  it('fetches everything that one good source has, within its bounds, whatever the others do', () => {
    const peers = [node(1), node(2), node(3)]
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 50, maxLength: 400 }), (choices) => {
        const fetch = new Fetch()
        let nowMs = 0
        let turn = 0
        const choose = (): number => choices[turn++ % choices.length] ?? 0
        const total = 30
        const have = new Set<string>()
        const pending = new Map<string, { number: number; id: ChunkId }[]>(peers.map((p) => [hexOf(p), []]))
        const perform = (effects: readonly FetchEffect[]): void => {
          for (const e of effects) {
            if (e.type === 'request') {
              for (const [i, id] of e.ids.entries()) pending.get(hexOf(e.peer))?.push({ number: e.first + i, id })
            } else if (e.type === 'check') {
              const corrupt = hexOf(e.peer) === hexOf(peers[1] ?? a)
              if (!corrupt) have.add(hexOf(e.id))
              tell({ type: 'settled', volume, id: e.id, outcome: corrupt ? 'corrupt' : 'good' })
            } else if (e.type === 'reset') {
              pending.set(hexOf(e.peer), [])
              tell({ type: 'peer-up', peer: e.peer })
            }
          }
        }
        const tell = (event: FetchEvent): void => perform(fetch.step(event, nowMs))
        tell({ type: 'sources', volume, sources: peers.map((peer) => ({ peer, complete: true })) })
        for (const peer of peers) tell({ type: 'peer-up', peer })
        for (let step = 0; have.size < total && step < 5000; step++) {
          const chunks = Array.from({ length: total }, (_, n) => wanted(n, sizes(n))).filter(
            (c) => !have.has(hexOf(c.id)) && !fetch.knows(volume, c.id),
          )
          if (chunks.length > 0) tell({ type: 'missing', volume, chunks })
          for (const list of pending.values()) {
            const bytes = list.reduce((sum, f) => sum + sizes(numberOf(f.id)), 0)
            assert.ok(list.length === 1 || bytes <= CREDIT_BYTES_START)
          }
          // The first peer is good if slow; the second sends wrong bytes; the third lacks, stalls and gets lost.
          const index = choose() % 3
          const peer = peers[index] ?? a
          const first = pending.get(hexOf(peer))?.[0]
          const fault = choose()
          if (index === 2 && fault < 2) {
            pending.set(hexOf(peer), [])
            tell({ type: 'peer-down', peer })
            tell({ type: 'peer-up', peer })
          } else if (first && !(index === 2 && fault < 4)) {
            pending.get(hexOf(peer))?.shift()
            const { number, id } = first
            const totalBytes = sizes(numberOf(id))
            if (index === 2 && fault < 8) tell({ type: 'answer', peer, answer: { type: 'missing', number } })
            else {
              const half = Math.ceil(totalBytes / 2)
              for (const [offset, byteLength] of [
                [0, half],
                [half, totalBytes - half],
              ] as const) {
                const bytes = new Uint8Array(byteLength)
                tell({ type: 'answer', peer, answer: { type: 'slice', number, totalBytes, offset, bytes } })
              }
            }
          }
          nowMs += 500
          tell({ type: 'tick' })
        }
        assert.equal(have.size, total)
      }),
      { numRuns: 40 },
    )
  })
})
