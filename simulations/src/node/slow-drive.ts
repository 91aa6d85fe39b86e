import type { Clock, Drive, DriveFile } from '@holdfast/ports'

/** A drive whose syncs take virtual time, as long as `syncMs` says each time. */
export function slowDrive(inner: Drive, clock: Clock, syncMs: () => number): Drive {
  const wait = (): Promise<void> => new Promise((resolve) => clock.setTimer(syncMs(), resolve))
  const slowFile = (file: DriveFile): DriveFile => ({
    write: (bytes, offset) => file.write(bytes, offset),
    read: (offset, length) => file.read(offset, length),
    size: () => file.size(),
    truncate: (length) => file.truncate(length),
    async datasync() {
      await wait()
      await file.datasync()
    },
    close: () => file.close(),
  })
  return {
    create: (path) => slowFile(inner.create(path)),
    open: (path, options) => slowFile(inner.open(path, options)),
    rename: (from, to) => inner.rename(from, to),
    remove: (path) => inner.remove(path),
    makeDirectory: (path) => inner.makeDirectory(path),
    list: (path) => inner.list(path),
    async syncDirectory(path) {
      await wait()
      await inner.syncDirectory(path)
    },
    space: () => inner.space(),
  }
}
