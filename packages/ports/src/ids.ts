/** Identifiers are bytes, branded so that one kind cannot be passed for another; hex is for people and for map keys. */
declare const brand: unique symbol
type Id<Name extends string> = Uint8Array & { readonly [brand]: Name }

/** 32 bytes: BLAKE3-256 of exactly the bytes that are stored and sent. */
export type ChunkId = Id<'ChunkId'>
/** 16 random bytes, made at `protect`. */
export type VolumeId = Id<'VolumeId'>
/** 32 bytes: the node's Ed25519 public key. */
export type NodeId = Id<'NodeId'>
/** 32 bytes: the hypercore key of one (volume, epoch), which is the hash of its manifest. */
export type CoreKey = Id<'CoreKey'>
/** 16 random bytes, made at `init` of the first node. */
export type MeshId = Id<'MeshId'>
/** 16 bytes: keyed hash of a path; links the versions of one path without its name. */
export type PathToken = Id<'PathToken'>

export const CHUNK_ID_BYTES = 32
export const VOLUME_ID_BYTES = 16
export const NODE_ID_BYTES = 32
export const CORE_KEY_BYTES = 32
export const MESH_ID_BYTES = 16
export const PATH_TOKEN_BYTES = 16

function sized<T extends Uint8Array>(bytes: Uint8Array, length: number, name: string): T {
  if (bytes.byteLength !== length) throw new TypeError(`${name} takes ${length} bytes, got ${bytes.byteLength}`)
  return bytes as T
}

export const asChunkId = (bytes: Uint8Array): ChunkId => sized(bytes, CHUNK_ID_BYTES, 'ChunkId')
export const asVolumeId = (bytes: Uint8Array): VolumeId => sized(bytes, VOLUME_ID_BYTES, 'VolumeId')
export const asNodeId = (bytes: Uint8Array): NodeId => sized(bytes, NODE_ID_BYTES, 'NodeId')
export const asCoreKey = (bytes: Uint8Array): CoreKey => sized(bytes, CORE_KEY_BYTES, 'CoreKey')
export const asMeshId = (bytes: Uint8Array): MeshId => sized(bytes, MESH_ID_BYTES, 'MeshId')
export const asPathToken = (bytes: Uint8Array): PathToken => sized(bytes, PATH_TOKEN_BYTES, 'PathToken')

/** Lower-case hex of an id: the form that maps are keyed by and people read. */
export function hexOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex')
}

/** Bytes of a hex string, or undefined if it is not one of exactly `byteLength` bytes. */
export function bytesOfHex(hex: string, byteLength: number): Uint8Array | undefined {
  if (hex.length !== byteLength * 2 || !/^[0-9a-f]*$/.test(hex)) return undefined
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

/** First eight hex digits, for messages. */
export const shortId = (id: Uint8Array): string => hexOf(id.subarray(0, 4))

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.byteLength === b.byteLength && Buffer.compare(a, b) === 0)
}
