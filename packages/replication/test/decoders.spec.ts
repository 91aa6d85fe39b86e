/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { fileURLToPath } from 'node:url'
import { decoderContract } from '@holdfast/contracts'
import { asCoreKey } from '@holdfast/ports'
import * as messages from '../src/index.ts'
import { chunk, node, volumeId } from './ids.ts'

const CORPUS = fileURLToPath(new URL('../../test/corpus', import.meta.url))

const volume = volumeId(1)
const coreKey = asCoreKey(new Uint8Array(32).fill(2))
const treeHash = new Uint8Array(32).fill(3)
const head = { volume, epoch: 1, coreKey, length: 300, treeHash }
const ack = { ...head, member: node(1), level: 'complete' as const, signature: new Uint8Array(64).fill(4) }
const frame = { coreKey, start: 7, blocks: [Uint8Array.of(1, 2), new Uint8Array(300)], signature: new Uint8Array(64) }
const body = Uint8Array.of(1, 2, 3)

describe('decoders', () => {
  decoderContract(CORPUS, {
    'control message': {
      decode: messages.decodeControl,
      valid: () => [
        messages.encodeControl({ type: 'heartbeat', sequence: 1, intervalMs: 500, charterDigest: treeHash }),
        messages.encodeControl({ type: 'heartbeat-answer', sequence: 70_000 }),
        messages.encodeControl({ type: 'heads', heads: [head, head] }),
        messages.encodeControl({ type: 'acks', acks: [ack] }),
      ],
    },
    'frame message': {
      decode: messages.decodeFrameMessage,
      valid: () => [
        messages.encodeFrameMessage({ volume, subscription: 1, frame, chunks: [] }),
        messages.encodeFrameMessage({ volume, subscription: 1, frame, chunks: [{ id: chunk(1), bytes: body }] }),
      ],
    },
    'journal request': {
      decode: messages.decodeJournalRequest,
      valid: () => [
        messages.encodeJournalRequest({ type: 'subscribe', volume, subscription: 1, coreKey, from: 5 }),
        messages.encodeJournalRequest({ type: 'progress', volume, subscription: 1, length: 2 ** 40 }),
        messages.encodeJournalRequest({ type: 'unsubscribe', volume, subscription: 1 }),
      ],
    },
    'journal answer': {
      decode: messages.decodeJournalAnswer,
      valid: () => [
        messages.encodeJournalAnswer({ type: 'frame-part', last: true, bytes: body }),
        messages.encodeJournalAnswer({ type: 'refused', volume, subscription: 1, reason: 'unknown-core' }),
      ],
    },
    'chunk request': {
      decode: messages.decodeChunkRequest,
      valid: () => [messages.encodeChunkRequest({ volume, first: 3, ids: [chunk(1), chunk(2)] })],
    },
    'chunk answer': {
      decode: messages.decodeChunkAnswer,
      valid: () => [
        messages.encodeChunkAnswer({ type: 'slice', number: 1, totalBytes: 70_000, offset: 65_536, bytes: body }),
        messages.encodeChunkAnswer({ type: 'missing', number: 300 }),
      ],
    },
    call: {
      decode: messages.decodeCall,
      valid: () => [
        messages.encodeCall({ type: 'request', id: 1, method: 'flush', body }),
        messages.encodeCall({ type: 'response', id: 1, body }),
        messages.encodeCall({ type: 'failure', id: 1, code: 'HF_BUSY', message: 'später', retryable: true }),
      ],
    },
  })
})
