/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { fileURLToPath } from 'node:url'
import { ByteWriter, decodeAll } from '@holdfast/codec'
import { decoderContract } from '@holdfast/contracts'
import { asVolumeId } from '@holdfast/ports'
import * as fc from 'fast-check'
import { readAttributes, writeAttributes } from '../src/attributes.ts'
import { decodeMeta, EMPTY_META, encodeMeta } from '../src/catalog/meta.ts'
import { decodeIndexed, decodeRow, encodeRow, writeIndexed } from '../src/catalog/rows.ts'
import { createRecordCodec, decodeBlock, decodePublicRecord, encodeBlock, encodeEpochBlock } from '../src/index.ts'
import { refsOf } from '../src/refs.ts'
import { bytesOf, lengthsOf, putState } from './rows.ts'

const CORPUS = fileURLToPath(new URL('../../test/corpus', import.meta.url))

const keys = {
  keyEpoch: 3,
  pathToken: new Uint8Array(32).fill(1),
  record: (epoch: number) => new Uint8Array(32).fill(16 + epoch),
}
const random = { bytes: (count: number) => new Uint8Array(count).fill(9), fraction: () => 0 }
const codec = createRecordCodec(keys, asVolumeId(new Uint8Array(16).fill(7)), random)
const states = fc.sample(putState, { seed: 4, numRuns: 12 })
const records = (): Uint8Array[] =>
  states.map((state, index) =>
    codec.seal({ seq: index + 1, epoch: 2, timeMs: 1_700_000_000_000, kind: 'put' }, state, lengthsOf(state.content)),
  )
const refs = states.map((state) => refsOf(state.content, lengthsOf(state.content)))
const path = bytesOf('a/b')

describe('decoders', () => {
  decoderContract(CORPUS, {
    record: { decode: (bytes) => codec.open(bytes), valid: records },
    'public record': { decode: decodePublicRecord, valid: records },
    block: {
      decode: decodeBlock,
      valid: () => [encodeBlock(records()), encodeBlock(records().slice(0, 1)), encodeEpochBlock(Uint8Array.of(1, 2))],
    },
    attributes: {
      decode: (bytes) => decodeAll('attributes', bytes, (reader) => readAttributes(reader, refs.flat())),
      valid: () =>
        states.map((state) => {
          const writer = new ByteWriter()
          writeAttributes(writer, state, refs.flat())
          return Uint8Array.from(writer.take())
        }),
    },
    'catalog row': {
      decode: (bytes) => decodeRow(path, bytes),
      valid: () =>
        states.map((state, index) => {
          const row = { ...state, kind: 'put' as const, seq: 5, epoch: 1, timeMs: 7, refs: refs[index] ?? [], path }
          return Uint8Array.from(encodeRow(new ByteWriter(), row, 1_700_000_000_000))
        }),
    },
    'catalog head': { decode: decodeMeta, valid: () => [Uint8Array.from(encodeMeta(EMPTY_META))] },
    'catalog index': {
      decode: (bytes) => decodeIndexed(7, bytes),
      valid: () => {
        const writer = new ByteWriter()
        for (const seq of [0, 1, 300]) writeIndexed(writer, { seq, timeMs: 5, path })
        return [Uint8Array.from(writer.take())]
      },
    },
  })
})
