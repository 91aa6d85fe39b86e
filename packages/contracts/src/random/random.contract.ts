import assert from 'node:assert/strict'
import type { Random } from '@holdfast/ports'

/** What every source of randomness owes its users, seeded ones included. */
export function randomContract({ create }: { create: () => Random }): void {
  it('gives the number of bytes asked for, the caller’s to keep', () => {
    const random = create()
    assert.equal(random.bytes(0).byteLength, 0)
    const kept = random.bytes(32)
    const copy = Uint8Array.from(kept)
    random.bytes(32).fill(0)
    assert.deepEqual(kept, copy)
    assert.equal(kept.byteLength, 32)
  })

  it('does not repeat itself', () => {
    const random = create()
    const seen = new Set(Array.from({ length: 100 }, () => Buffer.from(random.bytes(16)).toString('hex')))
    assert.equal(seen.size, 100)
  })

  it('uses every value of a byte', () => {
    assert.equal(new Set(create().bytes(16_384)).size, 256)
  })

  it('gives fractions in [0, 1), spread over it', () => {
    const random = create()
    const fractions = Array.from({ length: 2000 }, () => random.fraction())
    assert.ok(fractions.every((f) => f >= 0 && f < 1))
    const mean = fractions.reduce((a, b) => a + b) / fractions.length
    assert.ok(mean > 0.4 && mean < 0.6)
  })
}
