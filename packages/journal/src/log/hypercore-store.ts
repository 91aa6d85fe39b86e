/**
 * Logs in hypercore. Hypercore is an index here, not the place of record: it does not sync, the packs do. So anything that
 * is wrong with it becomes one code, HF_JOURNAL_DAMAGED: delete the directory and append the frames of the packs again.
 * Kept away from: truncate, clear, prologues and forks (each loses data), secret keys, replication, and calls that wait for peers.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { CoreKey, JournalStore, LogIdentity } from '@holdfast/ports'
import { equalBytes, HoldfastError, shortId } from '@holdfast/ports'
import Corestore from 'corestore'
import Hypercore from 'hypercore'
import hypercoreCrypto from 'hypercore-crypto'
import { coreKeyOf, manifestOf, packSignature, treeSignable, unpackSignature } from './hypercore-internals.ts'
import type { StorageBackend } from './log-store.ts'
import { createLogStore } from './log-store.ts'
import type { Peaks } from './peaks.ts'
import { NO_PEAKS, peakIndexes, treeHashOf } from './peaks.ts'
import type { BlockStorage } from './signed-log.ts'

export interface HypercoreJournalOptions {
  /** Directory of this store alone; its parent exists. One process at a time: the caller holds the home's lock. */
  readonly directory: string
  /** Whether an absent directory is made. Say false where logs are known to have been: their absence is then reported. @default true */
  readonly createIfMissing?: boolean
}

/** Opens the store. @throws HF_JOURNAL_DAMAGED if the directory is absent and must not be made, or cannot be read (of a
 *  single log: at its `open`, `get`, `read`, `treeHashAt` or `append`); HF_HOME_IN_USE if another process has it open */
export async function createHypercoreJournalStore(options: HypercoreJournalOptions): Promise<JournalStore> {
  const { directory, createIfMissing = true } = options
  if (!createIfMissing && !existsSync(join(directory, 'db', 'CURRENT'))) throw damaged(directory, 'it is absent')
  // Hypercore leaves this mark when it has deleted its write-ahead log; opened like that it would wait for peers for ever.
  if (existsSync(join(directory, 'db', 'RECOVERING'))) throw damaged(directory, 'it lost its newest entries')
  return createLogStore(await openBackend(directory))
}

async function openBackend(directory: string): Promise<StorageBackend> {
  // allowBackup: a store that was restored or moved opens all the same. It drops corestore's own lock; RocksDB's stays.
  const store = new Corestore(directory, { allowBackup: true })
  try {
    await store.ready()
  } catch (cause) {
    await closeStore(store)
    if (isLockError(cause)) {
      throw new HoldfastError('HF_HOME_IN_USE', `the journal in ${directory} is open in another process`, { cause })
    }
    throw damaged(directory, 'it cannot be opened', cause)
  }
  return {
    open: (identity) => openCore(store, identity),
    flush: () => store.storage.db.flush(),
    close: () => closeStore(store),
  }
}

/** Corestore does not get to closing its database once a core or the store has failed to open; the lock must go all the same. */
async function closeStore(store: Corestore): Promise<void> {
  await store
    .close()
    .catch(() => store.storage.close())
    .catch(() => undefined)
}

async function openCore(store: Corestore, identity: LogIdentity): Promise<{ storage: BlockStorage; peaks: Peaks }> {
  const key = coreKeyOf(identity)
  const manifest = manifestOf(identity)
  const core = store.get({ key, manifest, writable: true, allowFork: false, wait: false, active: false })
  try {
    await core.ready()
    return { storage: storageOf(core, key), peaks: await loadPeaks(core, key, identity) }
  } catch (cause) {
    await core.close().catch(() => undefined)
    throw cause instanceof HoldfastError ? cause : damaged(`log ${shortId(key)}`, 'it cannot be opened', cause)
  }
}

/** The peaks that hypercore holds, believed only if the stored signature of the writer is over them. */
async function loadPeaks(core: Hypercore, key: CoreKey, identity: LogIdentity): Promise<Peaks> {
  const name = `log ${shortId(key)}`
  const { length } = core
  if (core.recovering !== 0 || core.contiguousLength !== length) throw damaged(name, 'it has holes')
  if (length === 0) return NO_PEAKS
  const { fork, upgrade } = await core.proof({ upgrade: { start: 0, length } })
  const indexes = peakIndexes(length)
  const roots = upgrade.nodes.map(({ index, size, hash }) => ({ index, size, hash: new Uint8Array(hash) }))
  const complete = roots.length === indexes.length && roots.every((root, place) => root.index === indexes[place])
  if (fork !== 0 || !complete) throw damaged(name, 'its tree is incomplete')
  const peaks = { length, roots }
  const signature = unpackSignature(upgrade.signature)
  const signable = treeSignable(key, treeHashOf(peaks), length)
  if (signature === undefined || !hypercoreCrypto.verify(signable, signature, identity.writer)) {
    throw damaged(name, 'its tree is not the one that was signed')
  }
  return peaks
}

function storageOf(core: Hypercore, key: CoreKey): BlockStorage {
  const name = `log ${shortId(key)}`
  return {
    append: async (blocks, signature) => {
      const end = core.length + blocks.length
      const { length } = await core.append(blocks, { signature: packSignature(signature) })
      if (length !== end || !equalBytes(core.key, key)) throw damaged(name, 'it grew otherwise than told')
    },
    get: async (index) => {
      const block = await core.get(index, { wait: false }).catch((cause: unknown) => {
        throw damaged(name, `block ${index} cannot be read`, cause)
      })
      if (block === null) throw damaged(name, `block ${index} is absent`)
      return new Uint8Array(block)
    },
    treeHashAt: async (length) => {
      const hash = await Hypercore.treeHashFromStorage(core, length).catch((cause: unknown) => {
        throw damaged(name, `its tree cannot be read at ${length}`, cause)
      })
      return new Uint8Array(hash)
    },
    close: () => core.close(),
  }
}

function isLockError(error: unknown): boolean {
  return error instanceof Error && /\block\b/i.test(error.message)
}

function damaged(what: string, how: string, cause?: unknown): HoldfastError {
  const next = 'run `holdfast repair index`: it is rebuilt from the packs'
  return new HoldfastError('HF_JOURNAL_DAMAGED', `the journal index ${what} is damaged: ${how}`, { cause, next })
}
