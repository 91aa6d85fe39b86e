/** Bounds of the charter. Together they keep a node's copy under some ten megabytes. */

/** Nodes of a mesh over its life, removed ones included; so also the votes of a certificate. */
export const NODES_MAX = 1024
/** Versions of one charter. At ten changes a day, eleven years; far before that a chain is restarted by the operator key. */
export const CHARTER_VERSIONS_MAX = 40_000
/** Changes in one version. */
export const VERSION_CHANGES_MAX = 64
export const NAME_BYTES_MAX = 63
export const VOLUME_NAME_BYTES_MAX = 255
/** Addresses that one node announces. */
export const ADDRESSES_MAX = 8
export const ADDRESS_BYTES_MAX = 261
/** Invitations of one node that are not expired; `invite` refuses more. */
export const INVITATIONS_MAX = 64
/** Volumes of one author. */
export const VOLUMES_PER_AUTHOR_MAX = 1024
/** Entries of one volume over its life: additions of members, changes of copies and keys. */
export const VOLUME_ENTRIES_MAX = 4096
export const VOLUME_MEMBERS_MAX = 64
export const COPIES_MAX = 32
/** Largest sealed key ring: `KEY_EPOCHS_MAX` keys and the seal. */
export const SEALED_RING_BYTES_MAX = 33 * 1024
/** One encoded version or entry. */
export const DOCUMENT_BYTES_MAX = 256 * 1024
/** A bundle, so that it fits one transport message. */
export const BUNDLE_BYTES_MAX = 4 * 1024 * 1024

/** Fit for a person to type: no control characters, no white space at the ends, no `:` `/` and none of the look of an option. */
export function isName(name: string, bytesMax: number): boolean {
  const length = new TextEncoder().encode(name).byteLength
  return length >= 1 && length <= bytesMax && /^[^\p{C}\p{Z}:/-](?:[^\p{C}:/]*[^\p{C}\p{Z}:/])?$/u.test(name)
}
