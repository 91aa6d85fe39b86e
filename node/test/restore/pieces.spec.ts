import assert from 'node:assert/strict'
import fc from 'fast-check'
import { PieceWriter, piecesOf, type Piece } from '../../src/restore/pieces.ts'

const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Uint8Array.from(array))
const natural = fc.integer({ min: 0, max: 0xffff_ffff })
const place = {
  aside: natural,
  path: bytes(0, 5000),
  offset: natural,
  length: natural,
  fingerprint: bytes(16, 16),
  sparse: fc.boolean(),
  fileOffset: fc.maxSafeNat(),
}
const part: fc.Arbitrary<Piece> = fc.record(place).map((piece) => ({ ...piece }))
const whole: fc.Arbitrary<Piece> = fc
  .record({
    ...place,
    mode: natural,
    uid: natural,
    gid: natural,
    mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  })
  .map(({ mode, uid, gid, mtimeNs, ...piece }) => ({
    ...piece,
    whole: { mode, uid, gid, mtimeNs, size: piece.length },
  }))

describe('restore: pieces packed for a thread', () => {
  it('come out as they went in, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(part, whole), { maxLength: 40 }), (pieces) => {
        const writer = new PieceWriter()
        for (const piece of pieces) writer.add(piece)
        const packed = writer.take()
        assert.deepEqual(
          [...piecesOf(packed)].map((piece) => ({
            ...piece,
            path: Uint8Array.from(piece.path),
            fingerprint: Uint8Array.from(piece.fingerprint),
          })),
          pieces,
        )
      }),
    )
  })
})
