import { mayRead, type VolumeEntry } from '@holdfast/charter'
import { createRecordCodec } from '@holdfast/journal'
import { decodeKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { equalBytes } from '@holdfast/ports'
import type { NodeId, Random } from '@holdfast/ports'
import type { Logger } from 'pino'
import type { Authority } from '../authority/index.ts'
import type { IndexStore } from './index-store.ts'
import type { ReadableParts } from './volume.ts'

export interface OpenReadableParts {
  readonly authority: Pick<Authority, 'keyRing'>
  readonly self: NodeId
  readonly index: Pick<IndexStore, 'openCatalog'>
  readonly random: Random
  readonly log: Logger
}

/** Keys and catalog of a volume that this node may read; undefined on a blind member. A damaged catalog is made anew.
 *  @throws HF_WRONG_KEY */
export async function openReadable(
  { authority, self, index, random, log }: OpenReadableParts,
  entry: VolumeEntry,
): Promise<ReadableParts | undefined> {
  const member = entry.members.find(({ node }) => equalBytes(node, self))
  if (member === undefined || !mayRead(member.role)) return undefined
  const ring = decodeKeyRing(authority.keyRing(entry))
  const keys = deriveVolumeKeys(ring)
  const catalog = await index.openCatalog(entry.volume, (error) =>
    log.warn({ err: error, volume: entry.name }, 'the catalog is damaged; it is made anew from the journal'),
  )
  return { ring, keys, codec: createRecordCodec(keys, entry.volume, random), catalog }
}
