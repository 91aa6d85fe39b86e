/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { decoderContract } from '@holdfast/contracts'
import { asChunkId, MIB } from '@holdfast/ports'
import { decodeChunkHeader } from '../src/chunk-header.ts'
import { decompress, defaultCompressor } from '../src/codec.ts'
import { createOpener, verifyChunk } from '../src/index.ts'
import { decodeRecipeNode, encodeBranch, encodeLeaf } from '../src/recipe-node.ts'
import { noise, sealed, testKeys, text } from './helpers.ts'

const CORPUS = fileURLToPath(new URL('../../test/corpus', import.meta.url))

const opener = createOpener(testKeys())
const extents = [0, 1, 2].map((index) => ({
  chunk: asChunkId(noise(`chunk ${index}`, 32)),
  storedBytes: 1_000,
  offset: 0,
  length: 500,
  fingerprint: noise(`print ${index}`, 16),
}))
const leaf = encodeLeaf(extents)
const branch = encodeBranch(2, [
  { id: asChunkId(noise('child', 32)), storedBytes: 800, contentBytes: 1_500 },
  { id: asChunkId(noise('other', 32)), storedBytes: 900, contentBytes: 70_000 },
])
const openedLeaf = opener.open(sealed(leaf.plain, undefined, leaf.header).stored)
const openedBranch = opener.open(sealed(branch.plain, undefined, branch.header).stored)
const chunks = (): Uint8Array[] => [
  sealed(noise('dense', 300)).stored,
  sealed(text('sparse', 2_000)).stored,
  sealed(leaf.plain, undefined, leaf.header).stored,
]
interface Vector {
  readonly plainBytes: number
  readonly frame: string
}
const zstd = JSON.parse(
  readFileSync(new URL('../../test/vectors/zstd-frames.json', import.meta.url), 'utf8'),
) as Vector[]

describe('decoders', () => {
  decoderContract(CORPUS, {
    'chunk header': { decode: decodeChunkHeader, valid: chunks },
    chunk: { decode: (bytes) => opener.open(bytes), valid: chunks, fixedBytes: MIB },
    'chunk id': {
      decode: (bytes) => verifyChunk(asChunkId(noise('any', 32)), bytes),
      valid: chunks,
    },
    // Reached with the volume's key only: what a faulty or hostile writer may have sealed.
    leaf: {
      decode: (plain) => decodeRecipeNode({ ...openedLeaf, plain }),
      valid: () => [leaf.plain],
    },
    branch: {
      decode: (plain) => decodeRecipeNode({ ...openedBranch, plain }),
      valid: () => [branch.plain],
    },
    // A bomb stops at the length that the header says, which is at most that of a chunk.
    zstd: {
      decode: (bytes) => decompress('zstd', bytes, zstd[0]?.plainBytes ?? 0),
      valid: () => zstd.slice(0, 1).map(({ frame }) => Buffer.from(frame, 'base64')),
      fixedBytes: 10 * MIB,
    },
    brotli: {
      decode: (bytes) => (defaultCompressor.codec === 'brotli' ? decompress('brotli', bytes, 5_000) : true),
      valid: () => [Uint8Array.from(defaultCompressor.compress(text('brotli', 5_000)))],
      fixedBytes: MIB,
    },
  })
})
