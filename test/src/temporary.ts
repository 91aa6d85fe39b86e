/** A directory of one suite: made when it is first asked for, removed when the suite ends. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryDirectory {
  /** Absolute path of a name in it; nothing is made but the directory. */
  path(...names: string[]): string
}

/** For a `describe` body: registers its own removal. */
export function temporaryDirectory(label: string): TemporaryDirectory {
  let made: string | undefined
  after(() => {
    if (made !== undefined) rmSync(made, { recursive: true, force: true })
  })
  return {
    path(...names) {
      made ??= mkdtempSync(join(tmpdir(), `holdfast-${label}-`))
      return join(made, ...names)
    },
  }
}
