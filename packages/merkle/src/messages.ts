import {
  bytes,
  type Codec,
  decodeVersioned,
  encodeVersioned,
  fixed,
  list,
  plain,
  struct,
  text,
  union,
} from '@holdfast/codec'
import { asChunkId, CHUNK_ID_BYTES, type ChunkId } from '@holdfast/ports'
import { LEAF_IDS_MAX } from './leaf.ts'
import { FANOUT, isPrefix, type Prefix, PREFIX_DIGITS_MAX } from './prefix.ts'

/** Prefixes in one question: an answer is at most 64 leaves of 256 ids, 0.5 MiB. */
export const QUESTION_PREFIXES_MAX = 64
/** Differing ids that one comparison lists on each side, 2 MiB; a larger difference is found in several. */
export const DIFFERENCE_IDS_MAX = 65_536
/** Questions of one comparison: enough for the largest difference it lists, whatever a peer answers. */
export const COMPARISON_ROUNDS_MAX = 4096
/** Bytes of a digest that are compared: no one finds two sets that share them. */
export const SHORT_DIGEST_BYTES = 16
/** Last bytes of an id, to tell those of one leaf apart. Two that share them are found by asking for whole ids. */
export const SHORT_ID_BYTES = 8

/** Asked of a peer: what stands at these prefixes, or which ids of a leaf end in these bytes (all of them, if none are named). */
export type Question =
  | { readonly type: 'nodes'; readonly prefixes: readonly Prefix[] }
  | { readonly type: 'ids'; readonly leaves: readonly LeafQuestion[] }

export interface LeafQuestion {
  readonly prefix: Prefix
  /** `SHORT_ID_BYTES` each, back to back. */
  readonly shortIds: Uint8Array
}

/** One item for each that was asked, in the same order. */
export type Answer =
  | { readonly type: 'nodes'; readonly nodes: readonly NodeAnswer[] }
  | { readonly type: 'ids'; readonly leaves: readonly (readonly ChunkId[])[] }

/** A leaf tells its ids in short. A branch tells the nodes below it, by the digits that follow the prefix: its children, or, if it was
 *  the only one asked about, for a child that is a branch the children of that one. */
export type NodeAnswer =
  | { readonly type: 'leaf'; readonly shortIds: Uint8Array }
  | { readonly type: 'branch'; readonly below: readonly BelowAnswer[] }

export interface BelowAnswer {
  readonly digits: string
  /** First `SHORT_DIGEST_BYTES` of the node's digest. */
  readonly digest: Uint8Array
}

const checked = <T>(codec: Codec<T>, isValid: (value: T) => boolean, what: string): Codec<T> => ({
  ...codec,
  decode(state) {
    const value = codec.decode(state)
    if (!isValid(value)) throw new RangeError(`not ${what}`)
    return value
  },
})

const prefix = checked(text(PREFIX_DIGITS_MAX), isPrefix, 'a prefix')
const digits = checked(text(2), (value) => value.length > 0 && isPrefix(value), 'one or two digits')
const shortIds = checked(
  bytes(LEAF_IDS_MAX * SHORT_ID_BYTES),
  ({ byteLength }) => byteLength % SHORT_ID_BYTES === 0,
  'whole short ids',
)
const chunkId = fixed<ChunkId>(CHUNK_ID_BYTES, asChunkId)

const question = union<Question>({
  nodes: struct({ prefixes: list(prefix, QUESTION_PREFIXES_MAX) }),
  ids: struct({ leaves: list(struct<LeafQuestion>({ prefix, shortIds }), QUESTION_PREFIXES_MAX) }),
})

const nodeAnswer = union<NodeAnswer>({
  leaf: struct({ shortIds }),
  branch: struct({
    below: list(struct<BelowAnswer>({ digits, digest: fixed(SHORT_DIGEST_BYTES, plain) }), FANOUT * FANOUT),
  }),
})

const answer = union<Answer>({
  nodes: struct({ nodes: list(nodeAnswer, QUESTION_PREFIXES_MAX) }),
  ids: struct({ leaves: list(list(chunkId, LEAF_IDS_MAX), QUESTION_PREFIXES_MAX) }),
})

const VERSION = 1

export const encodeQuestion = (value: Question): Uint8Array => encodeVersioned(VERSION, question, value)
/** @throws HoldfastError HF_DECODE */
export const decodeQuestion = (encoded: Uint8Array): Question =>
  decodeVersioned(VERSION, question, encoded, 'question about a trie')
export const encodeAnswer = (value: Answer): Uint8Array => encodeVersioned(VERSION, answer, value)
/** @throws HoldfastError HF_DECODE */
export const decodeAnswer = (encoded: Uint8Array): Answer =>
  decodeVersioned(VERSION, answer, encoded, 'answer about a trie')
