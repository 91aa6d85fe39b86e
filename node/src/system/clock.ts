import type { Clock, Timer } from '@holdfast/ports'

/** Longest delay of one `setTimeout`; a longer one would fire at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1

/** The clock of this machine. */
export function createSystemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer(delayMs: number, callback: () => void): Timer {
      let timeout: NodeJS.Timeout
      const wait = (leftMs: number): void => {
        const partMs = Math.min(leftMs, TIMEOUT_MS_MAX)
        timeout = setTimeout(() => (partMs < leftMs ? wait(leftMs - partMs) : callback()), partMs)
      }
      wait(Math.max(0, delayMs))
      return { cancel: () => clearTimeout(timeout) }
    },
  }
}
