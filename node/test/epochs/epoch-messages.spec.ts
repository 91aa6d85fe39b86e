import assert from 'node:assert/strict'
import { firstClaim } from '@holdfast/failover'
import { asCoreKey, asNodeId, asVolumeId, bytesOfHex, hexOf } from '@holdfast/ports'
import { copyKey } from '../../src/epochs/index.ts'
import * as messages from '../../src/epochs/epoch-messages.ts'

const VOLUME = asVolumeId(new Uint8Array(16).fill(1))
const CORE = asCoreKey(new Uint8Array(32).fill(2))
const PRIMARY = asNodeId(new Uint8Array(32).fill(3))
const record = {
  claim: firstClaim({ volume: VOLUME, primary: PRIMARY, charterHash: new Uint8Array(32).fill(4) }),
  votes: [],
}
const frame = {
  coreKey: CORE,
  start: 3,
  blocks: [Uint8Array.of(1, 2), Uint8Array.of(3)],
  signature: new Uint8Array(64).fill(5),
}
const repeat = (byte: string, count: number): string => byte.repeat(count)

describe('messages about epochs', () => {
  it('golden vectors', () => {
    const golden: readonly (readonly [Uint8Array, string])[] = [
      [messages.encodeRecordsRequest({ volume: VOLUME, after: 2 }), `01${repeat('01', 16)}02`],
      [
        messages.encodeRecords([record]),
        `01017501${repeat('01', 16)}01${repeat('03', 32)}0000${repeat('00', 32)}${repeat('04', 32)}00`,
      ],
      [
        messages.encodeFrameRequest({ volume: VOLUME, coreKey: CORE, from: 7, offset: 300 }),
        `01${repeat('01', 16)}${repeat('02', 32)}07fd2c01`,
      ],
      [messages.encodeFrameSlice(undefined), '0100'],
      [messages.encodeFrameSlice({ total: 9, slice: Uint8Array.of(8, 9) }), '010109020809'],
      [messages.encodeFrame(frame), `0103020201020103${repeat('05', 64)}`],
    ]
    for (const [encoded, expected] of golden) assert.equal(hexOf(encoded), expected)
    assert.equal(hexOf(copyKey(CORE, 0)), repeat('02', 32))
    assert.equal(hexOf(copyKey(CORE, 1)), '0c4ee8a3db78a51b1d11f32db0e0d36552ac9ed3c7b34620e9b1629a9bd90c8e')
  })

  it('what was encoded is decoded; every cut is refused', () => {
    assert.deepEqual(messages.decodeRecords(messages.encodeRecords([record])), [record])
    assert.deepEqual(messages.decodeFrame(messages.encodeFrame(frame), CORE), frame)
    const decoders: readonly (readonly [Uint8Array, (encoded: Uint8Array) => unknown])[] = [
      [messages.encodeRecordsRequest({ volume: VOLUME, after: 2 }), messages.decodeRecordsRequest],
      [messages.encodeRecords([record]), messages.decodeRecords],
      [messages.encodeFrameRequest({ volume: VOLUME, coreKey: CORE, from: 7, offset: 0 }), messages.decodeFrameRequest],
      [messages.encodeFrameSlice({ total: 9, slice: Uint8Array.of(8) }), messages.decodeFrameSlice],
      [messages.encodeFrame(frame), (encoded) => messages.decodeFrame(encoded, CORE)],
    ]
    for (const [encoded, decode] of decoders)
      for (let length = 0; length < encoded.byteLength; length++)
        assert.throws(() => decode(encoded.subarray(0, length)), { code: 'HF_DECODE' })
  })

  it('a version that is not known is refused', () => {
    const encoded = bytesOfHex('0200', 2)
    assert.ok(encoded !== undefined)
    assert.throws(() => messages.decodeFrameSlice(encoded), { code: 'HF_DECODE' })
  })
})
