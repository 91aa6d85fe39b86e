import assert from 'node:assert/strict'
import { KIB } from '@holdfast/ports'
import { CHUNK_PLAIN_BYTES_MAX, createBundler, createFingerprinter, FINGERPRINT_BYTES } from '../src/index.ts'
import { noise, testKeys, text } from './helpers.ts'

describe('bundler', () => {
  it('keeps dense segments apart', () => {
    const { bundleFor, dense, other } = createBundler()
    for (const length of [256, 300, 5000, 100 * KIB]) {
      assert.equal(bundleFor(noise(`dense ${length}`, length)), dense)
      assert.equal(bundleFor(text(`text ${length}`, length)), other)
    }
    assert.equal(bundleFor(noise('short', 200)), other)
    assert.equal(bundleFor(new Uint8Array(0)), other)
  })

  it('lays segments out one after the other until there is no room', () => {
    const { other } = createBundler()
    assert.equal(other.length, 0)
    assert.equal(other.append(text('a', 1000)), 0)
    assert.equal(other.append(text('b', 500)), 1000)
    assert.deepEqual(other.plain.slice(1000), text('b', 500))
    assert.ok(other.hasRoom(CHUNK_PLAIN_BYTES_MAX - 1500))
    assert.ok(!other.hasRoom(CHUNK_PLAIN_BYTES_MAX - 1499))
    other.clear()
    assert.ok(other.length === 0 && other.hasRoom(CHUNK_PLAIN_BYTES_MAX))
  })
})

describe('fingerprint', () => {
  it('is 16 bytes, a function of key and content, and survives the next one', () => {
    const fingerprint = createFingerprinter(testKeys().fingerprint)
    const first = fingerprint(noise('a', 100))
    const kept = first.slice()
    assert.equal(first.byteLength, FINGERPRINT_BYTES)
    assert.notDeepEqual(fingerprint(noise('b', 100)), first)
    assert.deepEqual(first, kept)
    assert.deepEqual(fingerprint(noise('a', 40), noise('a', 100).subarray(40)), first)
    assert.notDeepEqual(createFingerprinter(testKeys('other').fingerprint)(noise('a', 100)), first)
  })
})
