/**
 * The one place that knows what is not public in hypercore: how a core key follows from a manifest, what exactly is signed,
 * and how a signature is packed. Pinned to 11.37.1; a test holds the bytes that these functions give, and that hypercore
 * itself accepts them.
 */
import { labelledHash } from '@holdfast/hash'
import type { CoreKey, LogIdentity } from '@holdfast/ports'
import { asCoreKey } from '@holdfast/ports'
import Hypercore from 'hypercore'
import type { Manifest } from 'hypercore'
import caps from 'hypercore/lib/caps.js'
import multisig from 'hypercore/lib/multisig.js'

const NAMESPACE_LABEL = 'holdfast/journal-namespace/1'
/** Logs never fork: they are not truncated, and an epoch has a core of its own. */
const FORK = 0

/** Manifest of the core of one (volume, epoch): one signer, the writer; the claim's hash as user data. Version 2 is the one that has user data. */
export function manifestOf(identity: LogIdentity): Manifest {
  const epoch = new Uint8Array(8)
  new DataView(epoch.buffer).setBigUint64(0, BigInt(identity.epoch), true)
  const namespace = labelledHash(NAMESPACE_LABEL, identity.volume, epoch)
  return {
    version: 2,
    quorum: 1,
    allowPatch: false,
    signers: [{ publicKey: identity.writer, namespace }],
    prologue: null,
    linked: null,
    userData: identity.claimHash,
  }
}

/** Key of the log: the hash of its manifest, so that it commits to volume, epoch, writer and claim. */
export function coreKeyOf(identity: LogIdentity): CoreKey {
  return asCoreKey(new Uint8Array(Hypercore.key(manifestOf(identity))))
}

/** Bytes that the writer signs for a tree of `length` blocks: 112, with hypercore's own domain label. */
export function treeSignable(coreKey: CoreKey, treeHash: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(caps.treeSignable(coreKey, treeHash, length, FORK))
}

/** A detached signature (64 bytes) in the form that `append` takes. */
export function packSignature(signature: Uint8Array): Uint8Array {
  return multisig.assemble([{ signer: 0, signature, patch: 0, nodes: null }])
}

/** The detached signature out of what hypercore stored; undefined if it is not one signature of the one writer. */
export function unpackSignature(packed: Uint8Array): Uint8Array | undefined {
  const [proof, ...more] = multisig.inflate(packed).proofs
  return proof?.signer === 0 && proof.patch === 0 && more.length === 0 ? proof.signature : undefined
}
