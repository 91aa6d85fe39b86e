import { blake3, createKeyedHasher } from '@holdfast/hash'
import { FANOUT } from './prefix.ts'

/** Bytes of a node's digest. */
export const DIGEST_BYTES = 32

// The keys are public: they keep the two kinds of node apart, and from everything else that is hashed here. A keyed hasher is reused.
const leafHasher = createKeyedHasher(blake3(Buffer.from('holdfast merkle leaf v1')))
const branchHasher = createKeyedHasher(blake3(Buffer.from('holdfast merkle branch v1')))

/** Digest of the ids (sorted, 32 bytes each, back to back) that share one prefix and are few enough to be a leaf. */
export const leafDigest = (ids: Uint8Array): Uint8Array => leafHasher(ids)

/** Digest of a branch over those of its sixteen children in order, 512 bytes; an empty child counts as zeros. */
export const branchDigest = (children: Uint8Array): Uint8Array => branchHasher(children)

export const BRANCH_BYTES = FANOUT * DIGEST_BYTES
export const NO_CHILD: Uint8Array = new Uint8Array(DIGEST_BYTES)
