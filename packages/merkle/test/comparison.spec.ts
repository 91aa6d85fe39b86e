import assert from 'node:assert/strict'
import { type ChunkId, hexOf } from '@holdfast/ports'
import fc from 'fast-check'
import {
  type Answer,
  answer,
  COMPARISON_ROUNDS_MAX,
  createComparison,
  createTrie,
  decodeAnswer,
  decodeQuestion,
  DIFFERENCE_IDS_MAX,
  type Difference,
  encodeAnswer,
  encodeQuestion,
  type Question,
  type Trie,
} from '../src/index.ts'
import { idsOf, skewedIds } from './ids.ts'

interface Exchange extends Difference {
  readonly rounds: number
  readonly wireBytes: number
}

/** Both sides through the bytes of the messages. */
function compare(own: Trie, theirs: Trie): Exchange {
  const comparison = createComparison(own)
  let rounds = 0
  let wireBytes = 0
  for (let question = comparison.next(); question !== undefined; question = comparison.next()) {
    const asked = encodeQuestion(question)
    const answered = encodeAnswer(answer(theirs, decodeQuestion(asked)))
    rounds++
    wireBytes += asked.byteLength + answered.byteLength
    comparison.receive(decodeAnswer(answered))
  }
  return { ...comparison.difference(), rounds, wireBytes }
}

const hexes = (ids: Iterable<ChunkId>): string[] => [...ids].map(hexOf).sort()

describe('comparison of tries', () => {
  it('finds exactly what differs, whatever both hold', () => {
    const pool = [...idsOf(1200), ...skewedIds]
    const chosen = fc.record({ of: fc.nat(3), seed: fc.nat(1_000_000) })
    fc.assert(
      fc.property(chosen, chosen, (a, b) => {
        const pick = ({ of, seed }: { of: number; seed: number }): ChunkId[] =>
          pool.filter((id) => ((id[31] ?? 0) * 31 + (id[30] ?? 0) * 7 + seed) % 4 <= of)
        const own = pick(a)
        const theirs = pick(b)
        const found = compare(createTrie(own), createTrie(theirs))
        const ownSet = new Set(own)
        const theirSet = new Set(theirs)
        assert.deepEqual(hexes(found.missing), hexes(theirs.filter((id) => !ownSet.has(id))))
        assert.deepEqual(hexes(found.extra), hexes(own.filter((id) => !theirSet.has(id))))
        assert.ok(found.complete)
      }),
      { numRuns: 40 },
    )
  })

  it('finds a difference of ten among 100,000 in at most six round trips and 50 kB', () => {
    const ids = idsOf(100_000)
    const { missing, extra, rounds, wireBytes } = compare(createTrie(ids.slice(5)), createTrie(ids.slice(0, -5)))
    assert.deepEqual(hexes(missing), hexes(ids.slice(0, 5)))
    assert.deepEqual(hexes(extra), hexes(ids.slice(-5)))
    assert.ok(rounds <= 6 && wireBytes <= 50_000, `${rounds} round trips, ${wireBytes} bytes`)
  })

  it('tells ids apart that end alike', () => {
    const [first, second] = idsOf(2)
    assert.ok(first && second)
    second.set(first.subarray(24), 24)
    const { missing, extra } = compare(createTrie([first]), createTrie([second]))
    assert.deepEqual([hexes(missing), hexes(extra)], [[hexOf(second)], [hexOf(first)]])
  })

  it('says that it is not complete when more differs than it lists', () => {
    const { missing, complete } = compare(createTrie(), createTrie(idsOf(DIFFERENCE_IDS_MAX + 1)))
    assert.deepEqual([missing.length, complete], [DIFFERENCE_IDS_MAX, false])
  })

  it('ends, and lists nothing, with a peer that invents branches for ever', () => {
    const invented = Array.from({ length: 16 }, (_, digit) => ({
      digits: digit.toString(16),
      digest: new Uint8Array(16).fill(7),
    }))
    const comparison = createComparison(createTrie(idsOf(1000)))
    let rounds = 0
    const walk = (): void => {
      for (let question = comparison.next(); question !== undefined; question = comparison.next()) {
        rounds++
        assert.equal(question.type, 'nodes')
        if (question.type !== 'nodes') return
        comparison.receive({ type: 'nodes', nodes: question.prefixes.map(() => ({ type: 'branch', below: invented })) })
      }
    }
    assert.throws(walk, { code: 'HF_PEER_PROTOCOL' })
    assert.ok(rounds < COMPARISON_ROUNDS_MAX)
  })

  it('ends with a peer that invents leaves for ever', () => {
    const comparison = createComparison(createTrie())
    const invented = Array.from({ length: 16 }, (_, digit) => ({
      digits: digit.toString(16),
      digest: new Uint8Array(16).fill(7),
    }))
    const reply = (question: Question): Answer =>
      question.type === 'ids'
        ? { type: 'ids', leaves: question.leaves.map(() => []) }
        : {
            type: 'nodes',
            nodes: question.prefixes.map((prefix) =>
              prefix.length < 8
                ? { type: 'branch', below: invented }
                : { type: 'leaf', shortIds: new Uint8Array(8).fill(prefix.length) },
            ),
          }
    let rounds = 0
    for (let question = comparison.next(); question !== undefined; question = comparison.next()) {
      rounds++
      comparison.receive(reply(question))
    }
    assert.equal(rounds, COMPARISON_ROUNDS_MAX)
    assert.equal(comparison.difference().complete, false)
  })

  it('refuses an answer to another question', () => {
    const begin = () => {
      const comparison = createComparison(createTrie(idsOf(1000)))
      comparison.next()
      return comparison
    }
    const foreign: Answer[] = [
      { type: 'ids', leaves: [[]] },
      { type: 'nodes', nodes: [] },
      {
        type: 'nodes',
        nodes: [
          { type: 'leaf', shortIds: new Uint8Array(0) },
          { type: 'leaf', shortIds: new Uint8Array(0) },
        ],
      },
    ]
    for (const other of foreign) assert.throws(() => begin().receive(other), { code: 'HF_PEER_PROTOCOL' })
    const unasked = createComparison(createTrie())
    assert.throws(() => unasked.receive({ type: 'nodes', nodes: [] }), { code: 'HF_PEER_PROTOCOL' })
  })

  it('decodes what it encodes, and refuses all else with HF_DECODE', () => {
    const question = encodeQuestion({ type: 'ids', leaves: [{ prefix: 'a7', shortIds: new Uint8Array(16) }] })
    const answered = encodeAnswer(answer(createTrie(idsOf(600)), { type: 'nodes', prefixes: [''] }))
    const damage = fc.record({ at: fc.nat(3000), xor: fc.integer({ min: 1, max: 255 }), cut: fc.nat(3000) })
    fc.assert(
      fc.property(
        fc.constantFrom(question, answered),
        damage,
        fc.uint8Array({ maxLength: 40 }),
        (valid, { at, xor, cut }, junk) => {
          const flipped = valid.slice()
          flipped[at % valid.byteLength] = (flipped[at % valid.byteLength] ?? 0) ^ xor
          for (const bytes of [flipped, valid.slice(0, cut % valid.byteLength), junk, Buffer.concat([valid, junk])]) {
            for (const decode of [decodeQuestion, decodeAnswer]) {
              try {
                decode(bytes)
              } catch (error) {
                assert.equal((error as { code?: string }).code, 'HF_DECODE')
              }
            }
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})
