import type { Clock, Timer } from '@holdfast/ports'

/** The clock of this machine. Timers do not keep the process alive: what must finish is awaited by its owner. */
export function createSystemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer(delayMs: number, callback: () => void): Timer {
      const timer = setTimeout(callback, Math.max(0, delayMs))
      return { cancel: () => clearTimeout(timer) }
    },
  }
}
