import fs from 'node:fs'
import path from 'node:path'

/** Replaces a file so that a crash leaves the old content or the new one, never a mixture: written aside, synced, renamed,
 *  and the directory synced. Durable when it returns. @throws system errors, with the old content in place */
export function writeDurably(file: string, content: Uint8Array | string, mode = 0o600): void {
  const aside = `${file}.new`
  const fd = fs.openSync(aside, 'w', mode)
  try {
    fs.fchmodSync(fd, mode)
    fs.writeFileSync(fd, content)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  fs.renameSync(aside, file)
  syncDirectory(path.dirname(file))
}

export function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Content, or undefined if there is no such file. */
export function readIfPresent(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
