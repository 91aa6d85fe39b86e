import { asMeshId, HoldfastError, type MeshId } from '@holdfast/ports'
import { decodeVersioned, encodeVersioned, fixed, hash32, list, struct } from '@holdfast/codec'
import { certifiedVersionCodec, signedEntryCodec, type CertifiedVersion, type SignedEntry } from './documents.ts'
import { BUNDLE_BYTES_MAX, CHARTER_VERSIONS_MAX, NODES_MAX, VOLUME_ENTRIES_MAX } from './limits.ts'

/** Part of a charter as it is stored and sent: versions without a gap, and entries. */
export interface Bundle {
  readonly mesh: MeshId
  /** Hash of the sender's newest version: who does not know it cannot judge the entries. */
  readonly head: Uint8Array
  readonly versions: readonly CertifiedVersion[]
  readonly entries: readonly SignedEntry[]
}

const BUNDLE_FORMAT = 1
const bundleCodec = struct<Bundle>({
  mesh: fixed(16, asMeshId),
  head: hash32,
  versions: list(certifiedVersionCodec, CHARTER_VERSIONS_MAX),
  entries: list(signedEntryCodec, NODES_MAX * 2 + VOLUME_ENTRIES_MAX * 16),
})

/** @throws HF_BUSY if it does not fit `BUNDLE_BYTES_MAX` */
export function encodeBundle(bundle: Bundle): Uint8Array {
  const encoded = encodeVersioned(BUNDLE_FORMAT, bundleCodec, bundle)
  if (encoded.byteLength > BUNDLE_BYTES_MAX) throw new HoldfastError('HF_BUSY', 'the charter has outgrown one message')
  return encoded
}

/** @throws HF_DECODE */
export function decodeBundle(encoded: Uint8Array): Bundle {
  if (encoded.byteLength > BUNDLE_BYTES_MAX) throw new HoldfastError('HF_DECODE', 'the charter bundle is too long')
  return decodeVersioned(BUNDLE_FORMAT, bundleCodec, encoded, 'charter bundle')
}
