/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { fileURLToPath } from 'node:url'
import { decoderContract } from '@holdfast/contracts'
import { asVolumeId } from '@holdfast/ports'
import {
  bodyChecksum,
  decodeFrameFields,
  decodeFrameHeader,
  decodeJournalBody,
  encodeMark,
  FRAME_HEADER_BYTES,
} from '../src/frame.ts'
import { encodeChunkFrameHeader, encodeJournalFrame } from '../src/index.ts'
import * as keys from '../src/keys.ts'
import * as pack from '../src/pack-file.ts'
import { chunkOf, frameOf, VOLUME } from './fixture.ts'

const CORPUS = fileURLToPath(new URL('../../test/corpus', import.meta.url))

const journal = encodeJournalFrame(VOLUME, frameOf(3, 4))
const journalHeader = decodeFrameHeader(journal, 0)
const chunk = chunkOf(1)
const headers = (): Uint8Array[] => [
  journal.slice(0, FRAME_HEADER_BYTES),
  encodeMark(1_000_000).slice(0, FRAME_HEADER_BYTES),
  chunkHeader(),
]
const footer = (): Uint8Array => {
  const rows = new pack.FooterRows()
  for (const header of headers().filter((_, index) => index !== 1)) rows.add(header, 0, 100)
  const encoded = rows.encode(5_000, 5_000)
  return encoded.slice(FRAME_HEADER_BYTES, encoded.byteLength - pack.PACK_TRAILER_BYTES)
}
/** With its checksum made right again, so that what lies behind it is reached. */
const mended = (body: Uint8Array): Uint8Array => {
  if (body.byteLength >= 16) body.set(bodyChecksum(body))
  return body
}

function chunkHeader(): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  encodeChunkFrameHeader(header, 0, VOLUME, chunk.id, chunk.bytes.byteLength)
  return header
}

describe('decoders', () => {
  decoderContract(CORPUS, {
    'frame header': { decode: (bytes) => sized(bytes, (b) => decodeFrameHeader(b, 0)), valid: headers },
    'frame fields': { decode: (bytes) => sized(bytes, (b) => decodeFrameFields(b, 0)), valid: headers },
    'journal body': {
      decode: (bytes) => journalHeader && decodeJournalBody(journalHeader, bytes),
      valid: () => [journal.slice(FRAME_HEADER_BYTES)],
    },
    'journal body, whole': {
      decode: (bytes) => {
        const copy = mended(Uint8Array.from(bytes))
        return journalHeader && decodeJournalBody({ ...journalHeader, bodyBytes: copy.byteLength }, copy)
      },
      valid: () => [journal.slice(FRAME_HEADER_BYTES)],
    },
    'pack header': { decode: pack.decodePackHeader, valid: () => [pack.encodePackHeader(7)] },
    'pack trailer': {
      decode: pack.decodePackTrailer,
      valid: () => [new pack.FooterRows().encode(16, 16).slice(-pack.PACK_TRAILER_BYTES)],
    },
    footer: { decode: (bytes) => pack.decodeFooterBody(7, bytes), valid: () => [footer()] },
    'footer, whole': {
      decode: (bytes) => pack.decodeFooterBody(7, mended(Uint8Array.from(bytes))),
      valid: () => [footer()],
    },
    'index: meta': { decode: keys.decodeMeta, valid: () => [keys.encodeMeta(3)] },
    'index: frame': {
      decode: keys.decodeFrameRow,
      valid: () => [
        keys.encodeFrameRow({ bad: false, blockCount: 3, bodyBytes: 70_000, pack: 1, offset: 16, volume: VOLUME }),
      ],
    },
    'index: pack': {
      decode: keys.decodePackRow,
      valid: () => [keys.encodePackRow({ complete: true, durableBytes: 5, fileBytes: 6 })],
    },
    'index: run': {
      decode: keys.decodeRunRow,
      valid: () => [keys.encodeRunRow({ volume: asVolumeId(new Uint8Array(16)), length: 7 })],
    },
    'index: summary': { decode: keys.decodeSummaryRow, valid: () => [keys.encodeSummaryRow({ chunks: 9 })] },
  })
})

/** Readers look for a header only where one fits. */
const sized = (bytes: Uint8Array, decode: (bytes: Uint8Array) => unknown): unknown =>
  bytes.byteLength < FRAME_HEADER_BYTES ? undefined : decode(bytes)
