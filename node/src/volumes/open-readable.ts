import { mayRead, type VolumeEntry } from '@holdfast/charter'
import { createRecordCodec, openCatalog } from '@holdfast/journal'
import { decodeKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { equalBytes } from '@holdfast/ports'
import type { NodeId, Random } from '@holdfast/ports'
import type { Authority } from '../authority/index.ts'
import type { IndexStore } from './index-store.ts'
import type { ReadableParts } from './volume.ts'

export interface OpenReadableParts {
  readonly authority: Pick<Authority, 'keyRing'>
  readonly self: NodeId
  readonly index: Pick<IndexStore, 'catalogLevel'>
  readonly random: Random
}

/** Keys and catalog of a volume that this node may read; undefined on a blind member. @throws HF_WRONG_KEY, HF_JOURNAL_DAMAGED */
export async function openReadable(
  { authority, self, index, random }: OpenReadableParts,
  entry: VolumeEntry,
): Promise<ReadableParts | undefined> {
  const member = entry.members.find(({ node }) => equalBytes(node, self))
  if (member === undefined || !mayRead(member.role)) return undefined
  const ring = decodeKeyRing(authority.keyRing(entry))
  const keys = deriveVolumeKeys(ring)
  const catalog = await openCatalog({ level: index.catalogLevel, volume: entry.volume })
  return { ring, keys, codec: createRecordCodec(keys, entry.volume, random), catalog }
}
