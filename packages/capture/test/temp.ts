import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory per call, removed by `removeTempDirs`. */
export function tempDir(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-capture-')))
  made.push(directory)
  return directory
}

export function removeTempDirs(): void {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true })
}

const made: string[] = []

/** One character per byte, both ways, so that names of any bytes can be written down. */
export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))
export const text = (path: Uint8Array): string => Buffer.from(path).toString('latin1')
