import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { CAPTURED, decodeStat, encodeStat, KEYED, LiveTree, STAT_WORDS, type StatKey } from '@holdfast/capture'
import { bytes, text } from './temp.ts'

const key = (seed: number): StatKey => ({
  type: 'file',
  dev: 7n,
  ino: BigInt(seed) + 2n ** 40n,
  size: seed * 2 ** 33,
  mtimeNs: -1n - BigInt(seed),
  ctimeNs: 1_700_000_000_123_456_789n,
  linked: seed % 2 === 1,
  mode: 0o644,
  uid: 4_000_000_000,
  gid: 5,
})
const wordsOf = (stat: StatKey): Uint32Array => {
  const words = new Uint32Array(STAT_WORDS)
  encodeStat(stat, words)
  return words
}
const plain = { racy: false, young: false, ignored: false }

const name = fc.constantFrom('a', 'b', 'c', 'longer name', 'ä', '\n')
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
type Step = { readonly path: string; readonly put: boolean }
const steps = fc.array(fc.record({ path, put: fc.boolean() }), { maxLength: 200 })

describe('live tree', () => {
  it('holds what was captured and not forgotten, whatever the order', () => {
    fc.assert(
      fc.property(steps, (sequence: Step[]) => {
        const tree = new LiveTree()
        const model = new Map<string, number>()
        for (const [index, step] of sequence.entries()) {
          if (step.put) tree.capture(bytes(step.path), wordsOf(key(index)), 0, plain)
          else tree.forget(bytes(step.path))
          if (step.put) model.set(step.path, index)
          else model.delete(step.path)
          if (index % 7 === 0) tree.collect()
        }
        assert.equal(tree.capturedCount, model.size)
        for (const { path: wanted } of sequence) {
          const entry = tree.find(bytes(wanted))
          const expected = model.get(wanted)
          assert.equal(entry > 0 && tree.has(entry, CAPTURED), expected !== undefined)
          if (expected === undefined) continue
          assert.equal(text(tree.pathOf(entry)), wanted)
          assert.deepEqual(decodeStat(tree.stats, tree.statAt(entry)), key(expected))
        }
        assert.deepEqual(captured(tree).toSorted(), [...model.keys()].toSorted())
      }),
    )
  })

  it('grows to 50,000 entries, and gives their memory to others when they are forgotten', () => {
    const tree = new LiveTree()
    const fill = (prefix: string): void => {
      for (let index = 0; index < 50_000; index++)
        tree.capture(bytes(`${prefix}${index % 100}/${prefix}${index}`), wordsOf(key(index)), 0, plain)
    }
    fill('first')
    const full = tree.byteLength
    for (let index = 0; index < 50_000; index++) tree.forget(bytes(`first${index % 100}/first${index}`))
    assert.equal(tree.capturedCount, 0)
    assert.equal(tree.firstChildOf(0), -1)
    tree.collect()
    fill('other')
    assert.equal(tree.capturedCount, 50_000)
    assert.ok(tree.byteLength < full * 1.2, `${tree.byteLength} bytes, ${full} before`)
    assert.equal(text(tree.pathOf(tree.find(bytes('other7/other107')))), 'other7/other107')
  })

  it('does not give a freed entry number to another path before it is collected', () => {
    const tree = new LiveTree()
    tree.capture(bytes('old'), undefined, 0, plain)
    const old = tree.find(bytes('old'))
    tree.forget(bytes('old'))
    tree.capture(bytes('new'), undefined, 0, plain)
    assert.notEqual(tree.find(bytes('new')), old)
  })

  it('keeps a path without a key as captured only', () => {
    const tree = new LiveTree()
    tree.capture(bytes('a/b'), undefined, 0, plain)
    const entry = tree.find(bytes('a/b'))
    assert.equal(tree.has(entry, CAPTURED), true)
    assert.equal(tree.has(entry, KEYED), false)
    assert.equal(tree.has(tree.find(bytes('a')), CAPTURED), false)
  })
})

function captured(tree: LiveTree): string[] {
  const found: string[] = []
  const visit = (entry: number): void => {
    if (entry > 0 && tree.has(entry, CAPTURED)) found.push(text(tree.pathOf(entry)))
    for (let child = tree.firstChildOf(entry); child >= 0; child = tree.nextOf(child)) visit(child)
  }
  visit(0)
  return found
}
