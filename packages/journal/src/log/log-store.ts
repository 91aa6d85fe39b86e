import type { JournalLog, JournalStore, LogIdentity } from '@holdfast/ports'
import { asNodeId, asVolumeId, HoldfastError, hexOf } from '@holdfast/ports'
import { coreKeyOf } from './hypercore-internals.ts'
import type { Peaks } from './peaks.ts'
import type { BlockStorage } from './signed-log.ts'
import { SignedLog } from './signed-log.ts'

/** What logs are stored in. */
export interface StorageBackend {
  open(identity: LogIdentity): Promise<{ storage: BlockStorage; peaks: Peaks }>
  flush(): Promise<void>
  close(): Promise<void>
}

/** Logs of one backend, each open at most once. */
export function createLogStore(backend: StorageBackend): JournalStore {
  const logs = new Map<string, Promise<SignedLog>>()
  let closing: Promise<void> | undefined

  function assertOpen(): void {
    if (closing !== undefined) throw new HoldfastError('HF_CLOSED', 'the journal store is closed')
  }

  async function openLog(identity: LogIdentity, name: string): Promise<SignedLog> {
    const { storage, peaks } = await backend.open(identity)
    return new SignedLog(coreKeyOf(identity), identity, peaks, storage, () => logs.delete(name))
  }

  async function open(given: LogIdentity): Promise<JournalLog> {
    const identity = copyOf(given)
    const name = hexOf(coreKeyOf(identity))
    for (;;) {
      assertOpen()
      const known = logs.get(name)
      if (known === undefined) break
      const log = await known
      if (log.closing === undefined) return log
      await log.closing
    }
    const opened = openLog(identity, name)
    logs.set(name, opened)
    opened.catch(() => logs.delete(name))
    return opened
  }

  async function closeAll(): Promise<void> {
    const opened = await Promise.allSettled(logs.values())
    await Promise.all(opened.map(async (log) => (log.status === 'fulfilled' ? log.value.close() : undefined)))
    await backend.close()
  }

  return {
    open,
    flush: async () => {
      assertOpen()
      await backend.flush()
    },
    close: () => (closing ??= closeAll()),
  }
}

/** Ids are the caller's to change. */
function copyOf({ volume, epoch, writer, claimHash }: LogIdentity): LogIdentity {
  return Object.freeze({
    volume: asVolumeId(volume.slice()),
    epoch,
    writer: asNodeId(writer.slice()),
    claimHash: claimHash.slice(),
  })
}
