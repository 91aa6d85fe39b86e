import type { Arena, Cutter } from '@holdfast/chunker'
import { decodeKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import type { VolumeId } from '@holdfast/ports'
import type { Fingerprinter, RecipeNode, Sealer } from '@holdfast/sealing'
import { createFingerprinter, createNodeFingerprinter, createSealer } from '@holdfast/sealing'

/** What a worker needs to turn files of one volume into chunks. */
export interface VolumeContext {
  readonly volume: VolumeId
  readonly cutter: Cutter
  readonly fingerprint: Fingerprinter
  readonly nodeFingerprint: (node: RecipeNode) => Uint8Array
  readonly sealer: Sealer
}

/** @throws HF_DECODE */
export function createVolumeContext(keyRing: Uint8Array, arena: Arena): VolumeContext {
  const ring = decodeKeyRing(keyRing)
  const keys = deriveVolumeKeys(ring)
  return {
    volume: ring.volume,
    cutter: arena.cutter(keys.chunker),
    fingerprint: createFingerprinter(keys.fingerprint),
    nodeFingerprint: createNodeFingerprinter(keys.fingerprint),
    sealer: createSealer(keys),
  }
}
