import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { journalContract } from '@holdfast/contracts'
import {
  coreKeyOf,
  createHypercoreJournalStore,
  createMemoryJournalDisk,
  createMemoryJournalStore,
} from '../src/index.ts'

describe('hypercore journal store', () =>
  journalContract({
    coreKeyOf,
    create: async () => {
      const directory = mkdtempSync(join(tmpdir(), 'holdfast-journal-'))
      return {
        open: () => createHypercoreJournalStore({ directory }),
        destroy: async () => rmSync(directory, { recursive: true }),
      }
    },
  }))

describe('memory journal store', () =>
  journalContract({
    coreKeyOf,
    create: async () => {
      const disk = createMemoryJournalDisk()
      return { open: async () => createMemoryJournalStore(disk), destroy: async () => undefined }
    },
  }))
