import assert from 'node:assert/strict'
import { coreKeyOf } from '@holdfast/journal'
import { asNodeId, asVolumeId, hexOf } from '@holdfast/ports'
import { decodePendingOpening, encodePendingOpening, pendingIdentityOf } from '../../src/pending/opening.ts'

const OPENING = {
  volume: asVolumeId(new Uint8Array(16).fill(1)),
  writer: asNodeId(new Uint8Array(32).fill(2)),
  epoch: 3,
  openedAtMs: 1_000_000,
  nonce: new Uint8Array(32).fill(4),
}

describe('opening of a pending journal', () => {
  it('golden vector: bytes, claim hash and key (docs/formats.md)', () => {
    const encoded = encodePendingOpening(OPENING)
    assert.equal(hexOf(encoded), `01${'01'.repeat(16)}${'02'.repeat(32)}03fe40420f00${'04'.repeat(32)}`)
    const identity = pendingIdentityOf(OPENING)
    assert.equal(hexOf(identity.claimHash), 'e1ed231ad09b18d8b181274b21ef232d51acd0425a0b9b29ae409e2e92736bcd')
    assert.equal(hexOf(coreKeyOf(identity)), '1bb66492943e3a878c9328af1a8b54d4e058f0391e7d529c61fc29696014298e')
    assert.deepEqual(decodePendingOpening(encoded), OPENING)
  })

  it('each opening has a key of its own', () => {
    const keys = [
      OPENING,
      { ...OPENING, nonce: new Uint8Array(32) },
      { ...OPENING, epoch: 4 },
      { ...OPENING, openedAtMs: 1 },
    ].map((opening) => hexOf(coreKeyOf(pendingIdentityOf(opening))))
    assert.equal(new Set(keys).size, keys.length)
  })

  it('truncated, prolonged or of another version it is refused', () => {
    const encoded = encodePendingOpening(OPENING)
    for (let end = 0; end < encoded.length; end++)
      assert.throws(() => decodePendingOpening(encoded.subarray(0, end)), { code: 'HF_DECODE' })
    assert.throws(() => decodePendingOpening(Uint8Array.of(...encoded, 0)), { code: 'HF_DECODE' })
    assert.throws(() => decodePendingOpening(Uint8Array.of(2, ...encoded.subarray(1))), { code: 'HF_DECODE' })
  })
})
