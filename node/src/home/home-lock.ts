import fs from 'node:fs'
import { HoldfastError } from '@holdfast/ports'
import koffi from 'koffi'

const LOCK_EX = 2
const LOCK_NB = 4

let flock: ((fd: number, operation: number) => number) | undefined

function systemFlock(): (fd: number, operation: number) => number {
  flock ??= koffi.load(process.platform === 'darwin' ? 'libSystem.dylib' : 'libc.so.6').func('int flock(int, int)') as (
    fd: number,
    operation: number,
  ) => number
  return flock
}

/** Held for the life of the process that opened the home. */
export interface HomeLock {
  release(): void
}

/** Takes the lock of a home; the kernel frees it when the process ends, however that happens.
 *  @throws HF_HOME_IN_USE naming the process that holds it */
export function lockHome(file: string): HomeLock {
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600)
  if (systemFlock()(fd, LOCK_EX | LOCK_NB) !== 0) {
    const holder = fs.readFileSync(fd, 'utf8').trim()
    fs.closeSync(fd)
    throw new HoldfastError(
      'HF_HOME_IN_USE',
      `this home is in use${/^\d+$/.test(holder) ? ` by process ${holder}` : ''}; nothing was changed`,
      { next: 'holdfast status talks to the running node; stop it first to do this here' },
    )
  }
  fs.ftruncateSync(fd, 0)
  fs.writeSync(fd, `${process.pid}\n`, 0)
  let held = true
  return {
    release() {
      if (held) fs.closeSync(fd)
      held = false
    },
  }
}
