import type { ChunkId } from '@holdfast/ports'
import type { OpenedNode, Opener } from '@holdfast/sealing'
import { createNodeFingerprinter, readRecipe } from '@holdfast/sealing'
import type { KnownSegment } from './types.ts'

export interface KnownRecipe {
  readonly root: ChunkId
  /** Bytes of the file. */
  readonly size: number
}

export interface KnownContentOptions {
  /** Stored bytes of a chunk, verified against its id. */
  readonly fetch: (id: ChunkId) => Promise<Uint8Array>
  readonly opener: Opener
  /** The volume's fingerprint key. */
  readonly fingerprint: Uint8Array
}

/** What `IngestPool.learn` takes, for a large file: its segments and the nodes of its recipe, so that an edit after a restart stores
 *  what it changed and nothing else. @throws HF_DECODE, HF_CHUNK_CORRUPT, HF_WRONG_KEY, and as `fetch` */
export async function* knownSegments(
  recipe: KnownRecipe,
  { fetch, opener, fingerprint }: KnownContentOptions,
): AsyncGenerator<KnownSegment, void, undefined> {
  const nodeFingerprint = createNodeFingerprinter(fingerprint)
  let nodes: KnownSegment[] = []
  const source = {
    fetch,
    opener,
    size: recipe.size,
    onNode(node: OpenedNode): void {
      const { id, storedBytes, plain } = node
      nodes.push({ chunk: id, storedBytes, offset: 0, length: plain.byteLength, fingerprint: nodeFingerprint(node) })
    },
  }
  for await (const extent of readRecipe(recipe.root, source)) {
    yield* nodes
    nodes = []
    yield extent
  }
}
