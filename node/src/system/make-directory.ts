import fs from 'node:fs'

const SLASH = 0x2f

/** Makes a directory and those above it; the path is absolute. Node's own recursive `mkdir` never returns where the file system
 *  says that nothing can be made in a directory that is there (`/proc`). @throws system errors */
export function makeDirectory(directory: string | Uint8Array, mode = 0o777): void {
  const bytes = Buffer.from(directory)
  try {
    fs.mkdirSync(bytes, mode)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && fs.statSync(bytes).isDirectory()) return
    const parent = bytes.subarray(0, Math.max(0, bytes.lastIndexOf(SLASH)))
    if (code !== 'ENOENT' || parent.byteLength === 0 || fs.existsSync(parent)) throw error
    makeDirectory(parent, mode)
    fs.mkdirSync(bytes, mode)
  }
}
