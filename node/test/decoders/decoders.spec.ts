/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { fileURLToPath } from 'node:url'
import { decoderContract } from '@holdfast/contracts'
import { firstClaim } from '@holdfast/failover'
import { asCoreKey, asMeshId, asNodeId, asVolumeId } from '@holdfast/ports'
import * as epochs from '../../src/epochs/epoch-messages.ts'
import { decodeIdentity, encodeIdentity } from '../../src/home/identity.ts'

const CORPUS = fileURLToPath(new URL('../../../test/corpus', import.meta.url))

const volume = asVolumeId(new Uint8Array(16).fill(1))
const coreKey = asCoreKey(new Uint8Array(32).fill(2))
const charterHash = new Uint8Array(32).fill(4)
const birth = { volume, primary: asNodeId(new Uint8Array(32).fill(3)), charterHash }
const record = { claim: firstClaim(birth), votes: [] }
const frame = { coreKey, start: 3, blocks: [Uint8Array.of(1, 2)], signature: new Uint8Array(64).fill(5) }

describe('decoders', () => {
  decoderContract(CORPUS, {
    identity: {
      decode: decodeIdentity,
      valid: () => [
        encodeIdentity({
          name: 'node-a',
          region: 'eu-1',
          mesh: asMeshId(new Uint8Array(16).fill(1)),
          meshName: 'mesh-a',
          trustedCharterHash: charterHash,
          wrappedSeed: new Uint8Array(90).fill(6),
          drive: '/srv',
          createdAtMs: 1_800_000_000_000,
        }),
      ],
    },
    'records request': {
      decode: epochs.decodeRecordsRequest,
      valid: () => [epochs.encodeRecordsRequest({ volume, after: 2 })],
    },
    'epoch records': { decode: epochs.decodeRecords, valid: () => [epochs.encodeRecords([record])] },
    'frame request': {
      decode: epochs.decodeFrameRequest,
      valid: () => [epochs.encodeFrameRequest({ volume, coreKey, from: 7, offset: 300 })],
    },
    'frame slice': {
      // Nothing there is an answer, too.
      decode: (bytes) => epochs.decodeFrameSlice(bytes) ?? 'none',
      valid: () => [
        epochs.encodeFrameSlice(undefined),
        epochs.encodeFrameSlice({ total: 9, slice: Uint8Array.of(8, 9) }),
      ],
    },
    frame: { decode: (bytes) => epochs.decodeFrame(bytes, coreKey), valid: () => [epochs.encodeFrame(frame)] },
  })
})
