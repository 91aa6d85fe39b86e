import type { JournalLog, JournalStore } from '@holdfast/ports'
import type { JournalBacking, JournalFixture } from './index.ts'
import type { TestWriter } from './writer.ts'
import { createTestWriter } from './writer.ts'

/** One log, open and empty, for each test. */
export interface LogWorld {
  readonly writer: TestWriter
  readonly log: () => JournalLog
  readonly store: () => JournalStore
  /** Closes the store and opens store and log anew. */
  reopen(): Promise<JournalLog>
}

export function useLog(fixture: JournalFixture): LogWorld {
  const writer = createTestWriter('the writer')
  let backing: JournalBacking
  let store: JournalStore
  let log: JournalLog
  const openAll = async (): Promise<JournalLog> => {
    store = await backing.open()
    log = await store.open(writer.identity())
    return log
  }
  beforeEach(async () => {
    backing = await fixture.create()
    await openAll()
  })
  afterEach(async () => {
    await store.close()
    await backing.destroy()
  })
  return {
    writer,
    log: () => log,
    store: () => store,
    reopen: async () => {
      await store.close()
      return openAll()
    },
  }
}
