import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { hasCode } from '@holdfast/ports'
import {
  CHUNK_BYTES_MAX,
  HEADS_PER_MESSAGE_MAX,
  decodeCall,
  decodeChunkAnswer,
  decodeChunkRequest,
  decodeControl,
  decodeFrameMessage,
  decodeJournalAnswer,
  decodeJournalRequest,
  encodeAck,
  encodeCall,
  encodeChunkAnswer,
  encodeChunkRequest,
  encodeControl,
  encodeFrameMessage,
  encodeJournalAnswer,
  encodeJournalRequest,
} from '../src/index.ts'
import type { Ack, CallMessage, ChunkAnswer, ControlMessage, JournalAnswer, JournalRequest } from '../src/index.ts'
import { chunk, core, hash, node, volumeId } from './ids.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const rep = (byte: string, count: number): string => byte.repeat(count)

const ack: Ack = {
  member: node(1),
  volume: volumeId(2),
  epoch: 3,
  coreKey: core(4),
  level: 'complete',
  length: 300,
  treeHash: hash(5),
}
const signature = new Uint8Array(64).fill(6)
const ackHex = `${rep('01', 32)}${rep('02', 16)}03${rep('04', 32)}01fd2c01${rep('05', 32)}`

describe('message codecs', () => {
  describe('golden vectors', () => {
    it('ack', () => {
      assert.equal(hex(encodeAck(ack)), `01${ackHex}`)
    })

    const control: [string, ControlMessage, string][] = [
      [
        'heartbeat',
        { type: 'heartbeat', sequence: 7, intervalMs: 500, charterDigest: hash(9) },
        `010007fdf401${rep('09', 32)}`,
      ],
      ['heartbeat answer', { type: 'heartbeat-answer', sequence: 252 }, '0101fc'],
      [
        'heads',
        {
          type: 'heads',
          heads: [{ volume: volumeId(2), epoch: 1, coreKey: core(4), length: 65_536, treeHash: hash(5) }],
        },
        `010201${rep('02', 16)}01${rep('04', 32)}fe00000100${rep('05', 32)}`,
      ],
      ['acks', { type: 'acks', acks: [{ ...ack, signature }] }, `010301${ackHex}${rep('06', 64)}`],
    ]
    for (const [name, message, expected] of control) {
      it(name, () => {
        assert.equal(hex(encodeControl(message)), expected)
        assert.deepEqual(decodeControl(encodeControl(message)), message)
      })
    }

    it('frame with a chunk', () => {
      const message = {
        volume: volumeId(2),
        subscription: 1,
        frame: { coreKey: core(4), start: 10, blocks: [Uint8Array.of(0xaa), Uint8Array.of(0xbb, 0xcc)], signature },
        chunks: [{ id: chunk(1), bytes: Uint8Array.of(0xdd) }],
      }
      const expected = `01${rep('02', 16)}01${rep('04', 32)}0a0201aa02bbcc${rep('06', 64)}0100000001${rep('00', 28)}01dd`
      assert.equal(hex(encodeFrameMessage(message)), expected)
      const decoded = decodeFrameMessage(encodeFrameMessage(message))
      assert.deepEqual(decoded, message)
    })

    const requests: [string, JournalRequest, string][] = [
      [
        'subscribe',
        { type: 'subscribe', volume: volumeId(2), subscription: 3, coreKey: core(4), from: 10 },
        `0100${rep('02', 16)}03${rep('04', 32)}0a`,
      ],
      ['progress', { type: 'progress', volume: volumeId(2), subscription: 3, length: 12 }, `0101${rep('02', 16)}030c`],
      ['unsubscribe', { type: 'unsubscribe', volume: volumeId(2), subscription: 3 }, `0102${rep('02', 16)}03`],
    ]
    for (const [name, message, expected] of requests) {
      it(name, () => {
        assert.equal(hex(encodeJournalRequest(message)), expected)
        assert.deepEqual(decodeJournalRequest(encodeJournalRequest(message)), message)
      })
    }

    const answers: [string, JournalAnswer, string][] = [
      ['frame part', { type: 'frame-part', last: true, bytes: Uint8Array.of(1, 2) }, '010001020102'],
      [
        'refusal',
        { type: 'refused', volume: volumeId(2), subscription: 3, reason: 'beyond-end' },
        `0101${rep('02', 16)}0302`,
      ],
    ]
    for (const [name, message, expected] of answers) {
      it(name, () => {
        assert.equal(hex(encodeJournalAnswer(message)), expected)
        assert.deepEqual(decodeJournalAnswer(encodeJournalAnswer(message)), message)
      })
    }

    it('chunk request', () => {
      const message = { volume: volumeId(2), first: 5, ids: [chunk(1), chunk(2)] }
      const expected = `01${rep('02', 16)}050200000001${rep('00', 28)}00000002${rep('00', 28)}`
      assert.equal(hex(encodeChunkRequest(message)), expected)
      assert.deepEqual(decodeChunkRequest(encodeChunkRequest(message)), message)
    })

    const chunkAnswers: [string, ChunkAnswer, string][] = [
      [
        'slice',
        { type: 'slice', number: 5, totalBytes: 300, offset: 298, bytes: Uint8Array.of(1, 2) },
        '010005fd2c01fd2a01020102',
      ],
      ['missing chunk', { type: 'missing', number: 6 }, '010106'],
    ]
    for (const [name, message, expected] of chunkAnswers) {
      it(name, () => {
        assert.equal(hex(encodeChunkAnswer(message)), expected)
        assert.deepEqual(decodeChunkAnswer(encodeChunkAnswer(message)), message)
      })
    }

    const calls: [string, CallMessage, string][] = [
      ['request', { type: 'request', id: 1, method: 'a/b', body: Uint8Array.of(9) }, '01000103612f620109'],
      ['response', { type: 'response', id: 1, body: Uint8Array.of() }, '01010100'],
      ['failure', { type: 'failure', id: 1, code: 'HF', message: 'é', retryable: true }, '01020102484602c3a901'],
    ]
    for (const [name, message, expected] of calls) {
      it(`call ${name}`, () => {
        assert.equal(hex(encodeCall(message)), expected)
        assert.deepEqual(decodeCall(encodeCall(message)), message)
      })
    }
  })

  it('a decoder answers any bytes with a value or HF_PEER_PROTOCOL', () => {
    const decoders = [
      decodeControl,
      decodeFrameMessage,
      decodeJournalRequest,
      decodeJournalAnswer,
      decodeChunkRequest,
      decodeChunkAnswer,
      decodeCall,
    ]
    const body = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(fc.constantFrom(...decoders), fc.integer({ min: 0, max: 3 }), body, (decode, tag, rest) => {
        for (const bytes of [rest, Uint8Array.of(1, ...rest), Uint8Array.of(1, tag, ...rest)]) {
          try {
            decode(bytes)
          } catch (error) {
            assert.ok(hasCode(error, 'HF_PEER_PROTOCOL'), String(error))
          }
        }
      }),
    )
  })

  describe('refuses', () => {
    const good = encodeControl({ type: 'heartbeat-answer', sequence: 1 })
    for (const [what, bytes] of [
      ['another version', Uint8Array.of(2, ...good.subarray(1))],
      ['a byte too many', Uint8Array.of(...good, 0)],
      ['a byte too few', good.subarray(0, good.byteLength - 1)],
      ['nothing', new Uint8Array(0)],
      ['a number above 2^53', Uint8Array.of(1, 1, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff)],
      ['more items than allowed, by their count alone', Uint8Array.of(1, 2, 0xfd, ...le16(HEADS_PER_MESSAGE_MAX + 1))],
    ] as const) {
      it(what, () => assert.throws(() => decodeControl(bytes), { code: 'HF_PEER_PROTOCOL' }))
    }

    it('a chunk above the limit', () => {
      const bytes = encodeChunkAnswer({
        type: 'slice',
        number: 0,
        totalBytes: CHUNK_BYTES_MAX + 1,
        offset: 0,
        bytes: Uint8Array.of(1),
      })
      assert.throws(() => decodeChunkAnswer(bytes), { code: 'HF_PEER_PROTOCOL' })
    })
  })
})

function le16(value: number): [number, number] {
  return [value & 255, value >> 8]
}
