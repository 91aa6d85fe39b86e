import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { asChunkId, asCoreKey, asVolumeId, hasCode, hexOf } from '@holdfast/ports'
import type { JournalFrame } from '@holdfast/ports'
import { encodeChunkFrameHeader, encodeJournalFrame, FRAME_HEADER_BYTES } from '../src/index.ts'
import { decodeFrameHeader, decodeJournalBody, encodeFrameHeader, encodeMark } from '../src/frame.ts'
import type { FrameHeader } from '../src/frame.ts'
import { decodePackHeader, decodePackTrailer, encodePackHeader, FooterRows } from '../src/pack-file.ts'
import { chunkOf, frameOf, VOLUME } from './fixture.ts'

const bytesOfLength = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })

const headers: fc.Arbitrary<FrameHeader> = fc.record(
  {
    kind: fc.constantFrom('chunk', 'journal', 'mark', 'footer'),
    volume: bytesOfLength(16).map(asVolumeId),
    id: bytesOfLength(32),
    start: fc.maxSafeNat(),
    blockCount: fc.nat(1000),
    bodyBytes: fc.nat(64 * 1024 * 1024),
  },
  { noNullPrototype: true },
)

const frames: fc.Arbitrary<JournalFrame> = fc.record(
  {
    coreKey: bytesOfLength(32).map(asCoreKey),
    start: fc.maxSafeNat(),
    blocks: fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 20 }),
    signature: bytesOfLength(64),
  },
  { noNullPrototype: true },
)

describe('frame header', () => {
  it('decodes what was encoded, anywhere in a buffer', () => {
    fc.assert(
      fc.property(headers, fc.nat(9), (header, at) => {
        const bytes = new Uint8Array(at + FRAME_HEADER_BYTES)
        encodeFrameHeader(bytes, at, header)
        assert.deepEqual(decodeFrameHeader(bytes, at), header)
      }),
    )
  })

  it('is refused after any change of any byte, and if it is cut off', () => {
    const bytes = new Uint8Array(FRAME_HEADER_BYTES)
    const { id } = chunkOf(1)
    encodeChunkFrameHeader(bytes, 0, VOLUME, id, 300)
    fc.assert(
      fc.property(fc.nat(FRAME_HEADER_BYTES - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes.with(at, (bytes[at] ?? 0) ^ change)
        assert.equal(decodeFrameHeader(changed, 0), undefined)
      }),
    )
    for (let length = 0; length < FRAME_HEADER_BYTES; length++) {
      assert.equal(decodeFrameHeader(bytes.subarray(0, length), 0), undefined)
    }
  })

  it('never throws on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => void decodeFrameHeader(bytes, at)),
    )
  })

  it('refuses ids of a wrong length and bodies that are too long', () => {
    const into = new Uint8Array(FRAME_HEADER_BYTES)
    const id = asChunkId(new Uint8Array(32))
    assert.throws(() => encodeChunkFrameHeader(into, 0, VOLUME, id, 64 * 1024 * 1024 + 1), TypeError)
    assert.throws(() => encodeChunkFrameHeader(into, 0, VOLUME, id.subarray(1) as typeof id, 1), TypeError)
  })
})

describe('journal frame', () => {
  it('decodes what was encoded', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const bytes = encodeJournalFrame(VOLUME, frame)
        const header = decodeFrameHeader(bytes, 0)
        assert.equal(header?.kind, 'journal')
        assert.equal(header.blockCount, frame.blocks.length)
        assert.deepEqual(decodeJournalBody(header, bytes.subarray(FRAME_HEADER_BYTES)), frame)
      }),
    )
  })

  it('is not whole after any change of its body', () => {
    const bytes = encodeJournalFrame(VOLUME, frameOf(3, 2))
    const header = decodeFrameHeader(bytes, 0) ?? assert.fail()
    const body = bytes.subarray(FRAME_HEADER_BYTES)
    for (let at = 0; at < body.byteLength; at++) {
      assert.equal(decodeJournalBody(header, body.with(at, (body[at] ?? 0) ^ 1)), undefined)
    }
    assert.equal(decodeJournalBody(header, body.subarray(1)), undefined)
  })

  it('refuses no blocks, too many, too large ones, and a signature of another length', () => {
    const frame = frameOf(0, 1)
    const block = new Uint8Array(1)
    const refused: JournalFrame[] = [
      { ...frame, blocks: [] },
      { ...frame, blocks: Array.from({ length: 1001 }, () => block) },
      { ...frame, blocks: [new Uint8Array(4 * 1024 * 1024 + 1)] },
      { ...frame, blocks: Array.from({ length: 20 }, () => new Uint8Array(4 * 1024 * 1024)) },
      { ...frame, signature: new Uint8Array(63) },
    ]
    for (const each of refused) {
      assert.throws(
        () => encodeJournalFrame(VOLUME, each),
        (error) => hasCode(error, 'HF_BAD_INPUT'),
      )
    }
  })
})

describe('formats of packs', () => {
  it('golden: pack header of pack 42', () => {
    assert.equal(hexOf(encodePackHeader(42)), GOLDEN.packHeader)
    assert.equal(decodePackHeader(encodePackHeader(42)), 42)
    assert.equal(decodePackTrailer(encodePackHeader(42)), undefined)
  })

  it('golden: chunk frame header', () => {
    const bytes = new Uint8Array(FRAME_HEADER_BYTES)
    encodeChunkFrameHeader(bytes, 0, VOLUME, asChunkId(Uint8Array.from({ length: 32 }, (_, index) => index)), 300_000)
    assert.equal(hexOf(bytes), GOLDEN.chunkHeader)
  })

  it('golden: journal frame of two blocks', () => {
    const frame: JournalFrame = {
      coreKey: asCoreKey(new Uint8Array(32).fill(0xcc)),
      start: 0x0102030405,
      blocks: [Uint8Array.of(1, 2, 3), Uint8Array.of()],
      signature: new Uint8Array(64).fill(0x55),
    }
    assert.equal(hexOf(encodeJournalFrame(VOLUME, frame)), GOLDEN.journalFrame)
  })

  it('golden: mark', () => assert.equal(hexOf(encodeMark(4096)), GOLDEN.mark))

  it('golden: footer and trailer of one frame', () => {
    const rows = new FooterRows()
    rows.addEntry({
      kind: 'chunk',
      volume: VOLUME,
      id: new Uint8Array(32).fill(1),
      start: 0,
      blockCount: 0,
      pack: 42,
      offset: 16,
      bodyBytes: 100,
    })
    assert.equal(hexOf(rows.encode(188, 200)), GOLDEN.footer)
  })
})

const GOLDEN = {
  packHeader: '014846502a00000062c6afe3950aa22b',
  chunkHeader:
    '01010000e093040007070707070707070707070707070707000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000000000000000ef055f5465924deb',
  journalFrame:
    '010202005c00000007070707070707070707070707070707cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc0504030201000000b599ce3416f5a1cf39f03a1c16469fcc436406c59b914dd401555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555550300000001020300000000',
  mark: '01030000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000010000000000000070a4aeb22f0908b',
  footer:
    '010400005c000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000bc00000000000000bfc48ed1d6f87ed0818faf2d4af051857f0050982dd80e520100000001000000010100006400000007070707070707070707070707070707010101010101010101010101010101010101010101010101010101010101010100000000000000001000000001484645c8000000ef0cf68b40b6a533',
}
