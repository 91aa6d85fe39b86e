import { hasCode } from '@holdfast/ports'
import type { JournalLog, JournalStore } from '@holdfast/ports'

/** The store, with everybody who meets damage in one of its logs heard: the logs are indexes, so whoever owns them makes them anew from
 *  the packs, while the caller gets the error as ever. */
export function watchedJournals(store: JournalStore, onDamaged: (error: unknown) => void): JournalStore {
  async function watched<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (hasCode(error, 'HF_JOURNAL_DAMAGED')) onDamaged(error)
      throw error
    }
  }

  async function* watchedRead(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const iterator = blocks[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await watched(() => iterator.next())
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await iterator.return?.()
    }
  }

  const watchedLog = (log: JournalLog): JournalLog => ({
    coreKey: log.coreKey,
    identity: log.identity,
    head: () => log.head(),
    propose: (blocks, after) => log.propose(blocks, after),
    append: (frame) => watched(() => log.append(frame)),
    verify: (frame, after) => log.verify(frame, after),
    get: (index) => watched(() => log.get(index)),
    read: (from, to) => watchedRead(log.read(from, to)),
    treeHashAt: (length) => watched(() => log.treeHashAt(length)),
    close: () => log.close(),
  })

  return {
    open: async (identity) => watchedLog(await watched(() => store.open(identity))),
    flush: () => store.flush(),
    close: () => store.close(),
  }
}
