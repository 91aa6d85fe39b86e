import { asMeshId, HoldfastError, MESH_ID_BYTES } from '@holdfast/ports'
import type { MeshId } from '@holdfast/ports'
import c from 'compact-encoding'

const IDENTITY_VERSION = 1
/** A longer file is no identity. */
export const IDENTITY_BYTES_MAX = 64 * 1024

/** What a home says of its node without being unlocked. */
export interface Identity {
  readonly name: string
  readonly region: string
  readonly mesh: MeshId
  readonly meshName: string
  /** 32 bytes: the hash of the charter version that this node trusted first. */
  readonly trustedCharterHash: Uint8Array
  /** The node's Ed25519 seed, wrapped by passphrase or key file. */
  readonly wrappedSeed: Uint8Array
  /** Absolute directory of the drive; empty for the one in the home. */
  readonly drive: string
  readonly createdAtMs: number
}

export function encodeIdentity(identity: Identity): Uint8Array {
  const state = c.state()
  const write = (run: (encoder: 'preencode' | 'encode') => void): void =>
    run(state.buffer === null ? 'preencode' : 'encode')
  const fields = (): void =>
    write((step) => {
      c.uint8[step](state, IDENTITY_VERSION)
      c.string[step](state, identity.name)
      c.string[step](state, identity.region)
      c.fixed(MESH_ID_BYTES)[step](state, Buffer.from(identity.mesh))
      c.string[step](state, identity.meshName)
      c.fixed32[step](state, Buffer.from(identity.trustedCharterHash))
      c.buffer[step](state, Buffer.from(identity.wrappedSeed))
      c.string[step](state, identity.drive)
      c.uint64[step](state, identity.createdAtMs)
    })
  fields()
  state.buffer = Buffer.alloc(state.end)
  fields()
  return state.buffer
}

/** @throws HF_DECODE, HF_HOME_NEWER */
export function decodeIdentity(bytes: Uint8Array): Identity {
  const version = bytes[0] ?? 0
  if (version > IDENTITY_VERSION) {
    throw new HoldfastError(
      'HF_HOME_NEWER',
      `the identity of this home has format ${version}, this version reads ${IDENTITY_VERSION}`,
      {
        next: 'run the version of holdfast that made it, or a newer one',
      },
    )
  }
  const state = c.state(1, bytes.byteLength, Buffer.from(bytes))
  try {
    if (version < IDENTITY_VERSION) throw new Error('it has no version')
    const identity: Identity = {
      name: c.string.decode(state),
      region: c.string.decode(state),
      mesh: asMeshId(Uint8Array.from(c.fixed(MESH_ID_BYTES).decode(state))),
      meshName: c.string.decode(state),
      trustedCharterHash: Uint8Array.from(c.fixed32.decode(state)),
      wrappedSeed: Uint8Array.from(c.buffer.decode(state) ?? []),
      drive: c.string.decode(state),
      createdAtMs: c.uint64.decode(state),
    }
    if (state.start !== state.end) throw new Error('bytes are left over')
    return identity
  } catch (cause) {
    throw new HoldfastError('HF_DECODE', 'the identity file of this home is damaged', {
      cause,
      next: 'bring the home back from a copy, or make a new node and join it to the mesh',
    })
  }
}
