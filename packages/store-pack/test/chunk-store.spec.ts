import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { chunkStoreContract } from '@holdfast/contracts'
import { createMemoryDrive } from '@holdfast/doubles'
import type { MemoryDrive } from '@holdfast/doubles'
import { openFsDrive } from '../src/index.ts'
import type { PackStore } from '../src/index.ts'
import { IndexPlaces, openStore } from './fixture.ts'
import type { Opened } from './fixture.ts'

const HEADER_BYTES = 72

describe('PackStore on a memory drive', () => {
  const places = new IndexPlaces()
  const opened = new Map<PackStore, Opened & { drive: MemoryDrive; directory: string }>()
  after(() => places.remove())

  const open = async (drive: MemoryDrive, directory: string): Promise<PackStore> => {
    const store = await openStore(drive, directory, { packBytesMax: 64 * 1024 })
    opened.set(store.store, { ...store, drive, directory })
    return store.store
  }

  chunkStoreContract<PackStore>({
    create: () => open(createMemoryDrive(), places.fresh()),
    destroy: (store) => opened.get(store)?.close(),
    reopen: async (store) => {
      const { drive, directory, close } = opened.get(store) ?? assert.fail()
      await close()
      return open(drive, directory)
    },
    rot: (store, volume, id) => {
      const { pack, offset } = store.locate(volume, id) ?? assert.fail()
      const name = `packs/${pack.toString(16).padStart(8, '0')}.pack`
      opened.get(store)?.drive.corrupt(name, offset + HEADER_BYTES + 5, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    },
  })
})

describe('PackStore on a directory', () => {
  const roots = new Map<PackStore, { root: string; close: () => Promise<void> }>()

  const open = async (root: string): Promise<PackStore> => {
    const { store, close } = await openStore(openFsDrive(path.join(root, 'drive')), path.join(root, 'index'))
    roots.set(store, { root, close })
    return store
  }

  chunkStoreContract<PackStore>({
    create: () => {
      const root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-store-'))
      fs.mkdirSync(path.join(root, 'drive'))
      return open(root)
    },
    destroy: async (store) => {
      const { root, close } = roots.get(store) ?? assert.fail()
      await close()
      fs.rmSync(root, { recursive: true, force: true })
    },
    reopen: async (store) => {
      const { root, close } = roots.get(store) ?? assert.fail()
      await close()
      return open(root)
    },
  })
})
