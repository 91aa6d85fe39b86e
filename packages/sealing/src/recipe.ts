/**
 * The recipe of a large file: a tree over its extents, cut by content like the file itself, so that an edit makes one new node a level
 * and everything else stays the chunk it was. A node ends after an entry whose fingerprint (above the first level: whose id) falls
 * below a threshold, yet not before `NODE_ENTRIES_MIN`: a file of one repeated segment must shrink from level to level too.
 */
import type { ChunkId } from '@holdfast/ports'
import type { RecipeChild, RecipeNode, StoredExtent } from './recipe-node.ts'
import { decodeRecipeNode, encodeBranch, encodeLeaf, malformed } from './recipe-node.ts'
import type { ChunkName, Opener } from './types.ts'
import { RECIPE_CHILDREN_MAX } from './types.ts'

const NODE_ENTRIES_MIN = 16
/** One entry in 48 ends a node: 64 entries in the mean with the minimum. */
const END_THRESHOLD = 2 ** 32 / 48

export interface BuiltRecipe {
  readonly root: ChunkName
  readonly levels: number
  readonly contentBytes: number
}

/** Builds the tree bottom-up; `seal` names each node (and stores it, or finds it stored). Memory: one open node a level.
 *  @throws TypeError without extents, or with more than eight levels hold */
export function buildRecipe(extents: Iterable<StoredExtent>, seal: (node: RecipeNode) => ChunkName): BuiltRecipe {
  const leaf: StoredExtent[] = []
  const branches: Branch[] = []

  const closeLeaf = (): void => {
    addTo(0, sealed(encodeLeaf(leaf)))
    leaf.length = 0
  }
  const closeBranch = (index: number, branch: Branch): void => {
    addTo(index + 1, sealed(encodeBranch(index + 2, branch.open)))
    branch.open = []
  }
  const sealed = (node: RecipeNode): RecipeChild => ({ ...seal(node), contentBytes: node.contentBytes })
  /** Branch `index` holds nodes of level `index + 1`. */
  const addTo = (index: number, child: RecipeChild): void => {
    const branch = (branches[index] ??= { open: [], count: 0 })
    branch.open.push(child)
    branch.count++
    if (endsNode(branch.open.length, child.id)) closeBranch(index, branch)
  }

  for (const extent of extents) {
    leaf.push(extent)
    if (endsNode(leaf.length, extent.fingerprint)) closeLeaf()
  }
  if (leaf.length > 0) closeLeaf()
  for (let index = 0; ; index++) {
    const branch = branches[index]
    if (branch === undefined) throw new TypeError('a recipe without extents')
    const [first] = branch.open
    // The only node of its level is the root.
    if (branch.count === 1 && first !== undefined) {
      return {
        root: { id: first.id, storedBytes: first.storedBytes },
        levels: index + 1,
        contentBytes: first.contentBytes,
      }
    }
    if (branch.open.length > 0) closeBranch(index, branch)
  }
}

interface Branch {
  open: RecipeChild[]
  count: number
}

function endsNode(entries: number, name: Uint8Array): boolean {
  if (entries >= RECIPE_CHILDREN_MAX) return true
  if (entries < NODE_ENTRIES_MIN) return false
  return new DataView(name.buffer, name.byteOffset, name.byteLength).getUint32(0, true) < END_THRESHOLD
}

export interface RecipeSource {
  /** Stored bytes of a chunk, verified against its id. */
  readonly fetch: (id: ChunkId) => Promise<Uint8Array>
  readonly opener: Opener
  /** Bytes of the file, as its record says. */
  readonly size: number
  /** Told of each node before what is below it. */
  readonly onNode?: (node: OpenedNode) => void
}

export interface OpenedNode extends ChunkName, Pick<RecipeNode, 'header' | 'plain'> {}

/** The extents of a file in order, one node a level in memory. Levels must fall by one and content bytes must add up, so that no tree, however
 *  made, is deeper than it says or yields more than `size` bytes. @throws HF_DECODE, HF_CHUNK_CORRUPT, HF_WRONG_KEY, and as `fetch` */
export async function* readRecipe(root: ChunkId, source: RecipeSource): AsyncGenerator<StoredExtent, void, undefined> {
  yield* readNode(root, undefined, source.size, source)
}

async function* readNode(
  id: ChunkId,
  expectedLevel: number | undefined,
  contentBytes: number,
  source: RecipeSource,
): AsyncGenerator<StoredExtent, void, undefined> {
  const stored = await source.fetch(id)
  const opened = source.opener.open(stored)
  const node = decodeRecipeNode(opened)
  if (expectedLevel !== undefined && node.level !== expectedLevel) {
    throw malformed(`level ${node.level} where ${expectedLevel} belongs`)
  }
  const { plain, recipe: header } = opened
  if (header !== undefined) source.onNode?.({ id, storedBytes: stored.byteLength, header, plain })
  let left = contentBytes
  if ('extents' in node) {
    for (const extent of node.extents) {
      left -= extent.length
      if (left < 0) break
      yield extent
    }
  } else {
    for (const child of node.children) {
      left -= child.contentBytes
      if (left < 0) break
      yield* readNode(child.id, node.level - 1, child.contentBytes, source)
    }
  }
  if (left !== 0) throw malformed(`content of another length than the ${contentBytes} bytes above it`)
}
