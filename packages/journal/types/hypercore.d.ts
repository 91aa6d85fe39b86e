/** What this package uses of hypercore 11.37.1, corestore 7.12.5 and their helpers, which come without types. */
declare module 'hypercore' {
  export interface Manifest {
    readonly version: 2
    readonly quorum: number
    readonly allowPatch: boolean
    readonly signers: readonly { readonly publicKey: Uint8Array; readonly namespace: Uint8Array }[]
    readonly prologue: null
    readonly linked: null
    readonly userData: Uint8Array
  }
  export interface TreeNode {
    readonly index: number
    readonly size: number
    readonly hash: Uint8Array
  }
  class Hypercore {
    /** Hash of the manifest. */
    static key(manifest: Manifest): Uint8Array
    /** Local only, never waits. Rejects with INVALID_OPERATION if a node is missing. */
    static treeHashFromStorage(core: Hypercore, length?: number): Promise<Uint8Array>
    readonly key: Uint8Array
    readonly length: number
    /** Blocks present from the start without a hole. */
    readonly contiguousLength: number
    /** Not 0 after hypercore deleted logs of its database: appends would wait for peers. */
    readonly recovering: number
    ready(): Promise<void>
    close(): Promise<void>
    append(blocks: readonly Uint8Array[], options: { signature: Uint8Array }): Promise<{ length: number }>
    get(index: number, options: { wait: false }): Promise<Uint8Array | null>
    /** From 0: the roots of the tree, and the signature over it. */
    proof(options: { upgrade: { start: 0; length: number } }): Promise<{
      readonly fork: number
      readonly upgrade: { readonly nodes: readonly TreeNode[]; readonly signature: Uint8Array }
    }>
  }
  export default Hypercore
}

declare module 'hypercore/lib/caps.js' {
  const caps: {
    treeSignable(manifestHash: Uint8Array, treeHash: Uint8Array, length: number, fork: number): Uint8Array
  }
  export default caps
}

declare module 'hypercore/lib/multisig.js' {
  interface Proof {
    readonly signer: number
    readonly signature: Uint8Array
    readonly patch: number
  }
  const multisig: {
    assemble(inputs: readonly (Proof & { readonly nodes: null })[]): Uint8Array
    inflate(assembled: Uint8Array): { readonly proofs: readonly Proof[] }
  }
  export default multisig
}

declare module 'hypercore-crypto' {
  import type { TreeNode } from 'hypercore'
  const crypto: {
    data(block: Uint8Array): Uint8Array
    parent(left: TreeNode, right: TreeNode): Uint8Array
    tree(roots: readonly TreeNode[]): Uint8Array
    keyPair(seed?: Uint8Array): { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }
    sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array
    verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
  }
  export default crypto
}

declare module 'flat-tree' {
  const flat: {
    fullRoots(index: number): number[]
    sibling(index: number): number
    parent(index: number): number
  }
  export default flat
}

declare module 'corestore' {
  import type Hypercore from 'hypercore'
  import type { Manifest } from 'hypercore'
  class Corestore {
    constructor(directory: string, options: { allowBackup: boolean })
    readonly storage: { readonly db: { flush(): Promise<void> }; close(): Promise<void> }
    ready(): Promise<void>
    close(): Promise<void>
    get(options: {
      key: Uint8Array
      manifest: Manifest
      writable: boolean
      allowFork: boolean
      wait: boolean
      active: boolean
    }): Hypercore
  }
  export default Corestore
}
