import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { FrameDecoder, FramingError, SLICE_BYTES_MAX, encodeCredit, encodeEnd, encodeSlice } from '../src/framing.ts'
import type { Frame } from '../src/framing.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Slices with their bytes, and the other frames. */
class Slices {
  readonly decoded: unknown[] = []
  #last = false
  #bytes = ''

  add(frame: Frame): void {
    if (frame.kind === 'slice') {
      this.#last = frame.last
      this.#bytes = ''
    } else if (frame.kind === 'part') {
      this.#bytes += hex(frame.bytes)
      if (frame.end) this.decoded.push(['slice', this.#last, this.#bytes])
    } else this.decoded.push(frame)
  }
}

describe('framing', () => {
  it('has these bytes on the wire', () => {
    assert.equal(hex(encodeSlice(Uint8Array.of(0xaa, 0xbb), false)), '1102000000aabb')
    assert.equal(hex(encodeSlice(Uint8Array.of(), true)), '1200000000')
    assert.equal(hex(encodeCredit(0x01020304)), '1304030201')
    assert.equal(hex(encodeEnd()), '1400000000')
  })

  it('decodes what was encoded, however it is cut', () => {
    const slice = fc
      .tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean())
      .map(([body, last]) => ({ bytes: encodeSlice(body, last), expected: ['slice', last, hex(body)] as unknown }))
    const credit = fc
      .integer({ min: 0, max: 2 ** 32 - 1 })
      .map((bytes) => ({ bytes: encodeCredit(bytes), expected: { kind: 'credit', bytes } as unknown }))
    const end = fc.constant({ bytes: encodeEnd(), expected: { kind: 'end' } })
    fc.assert(
      fc.property(fc.array(fc.oneof(slice, credit, end)), fc.array(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map((f) => f.bytes))
        const decoder = new FrameDecoder()
        const slices = new Slices()
        let offset = 0
        for (const cut of [...cuts, bytes.byteLength]) {
          for (const frame of decoder.push(bytes.subarray(offset, offset + cut))) slices.add(frame)
          offset += cut
        }
        assert.deepEqual(
          slices.decoded,
          frames.map((f) => f.expected),
        )
      }),
    )
  })

  for (const [what, bytes] of [
    ['another version', Uint8Array.of(0x21, 0, 0, 0, 0)],
    ['an unknown kind', Uint8Array.of(0x15, 0, 0, 0, 0)],
    ['an end that carries a number', Uint8Array.of(0x14, 1, 0, 0, 0)],
    [
      'a slice above the limit, by its header alone',
      encodeSlice(new Uint8Array(SLICE_BYTES_MAX + 1), true).subarray(0, 5),
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => [...new FrameDecoder().push(bytes)], FramingError)
    })
  }
})
