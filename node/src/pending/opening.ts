import { decodeVersioned, encodeVersioned, fixed, hash32, struct, uint } from '@holdfast/codec'
import { labelledHash } from '@holdfast/hash'
import { asNodeId, asVolumeId } from '@holdfast/ports'
import type { LogIdentity, NodeId, VolumeId } from '@holdfast/ports'

/** What opens a pending journal; its block 0 holds it, and the journal's key follows from it. */
export interface PendingOpening {
  readonly volume: VolumeId
  readonly writer: NodeId
  /** The newest epoch that the writer knew, and may not write in. */
  readonly epoch: number
  /** Ms since 1970. */
  readonly openedAtMs: number
  /** 32 random bytes: no two of these journals are one, also on a machine that went back in time. */
  readonly nonce: Uint8Array
}

const FORMAT = 1
const LABEL = 'holdfast pending journal 1'

const openingCodec = struct<PendingOpening>({
  volume: fixed(16, asVolumeId),
  writer: fixed(32, asNodeId),
  epoch: uint,
  openedAtMs: uint,
  nonce: hash32,
})

export const encodePendingOpening = (opening: PendingOpening): Uint8Array =>
  encodeVersioned(FORMAT, openingCodec, opening)
/** @throws HF_DECODE */
export const decodePendingOpening = (encoded: Uint8Array): PendingOpening =>
  decodeVersioned(FORMAT, openingCodec, encoded, 'opening of a pending journal')

/** Identity of the journal. Where an epoch's log has the hash of its claim, this one has a hash under another label: no claim can
 *  open it, no epoch can be it. */
export function pendingIdentityOf(opening: PendingOpening): LogIdentity {
  const { volume, epoch, writer } = opening
  return { volume, epoch, writer, claimHash: labelledHash(LABEL, encodePendingOpening(opening)) }
}
