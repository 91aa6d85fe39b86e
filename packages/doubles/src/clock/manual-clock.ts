import type { Clock, Timer } from '@holdfast/ports'

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves both clocks by `ms` (≥ 0) and runs the timers due on the way, in order of their time; before the first and after
   *  each of them, everything that has been scheduled without the clock runs. */
  advance(ms: number): Promise<void>
  /** Moves only the wall clock, in either direction, as an operator or NTP would. */
  stepWall(ms: number): void
  /** Timers set and neither run nor cancelled: 0 after a clean stop. */
  timerCount(): number
}

interface PendingTimer {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

/** Resolves when every promise continuation scheduled so far, and what those schedule, has run. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** `wallMs` is the time since 1970 at which it starts. @default 1_700_000_000_000 */
export function createManualClock(wallMs = 1_700_000_000_000): ManualClock {
  const timers = new Set<PendingTimer>()
  let monotonicMs = 0
  let offsetMs = wallMs
  let order = 0

  const nextDue = (limitMs: number): PendingTimer | undefined => {
    let best: PendingTimer | undefined
    for (const timer of timers) {
      if (timer.dueMs > limitMs) continue
      if (!best || timer.dueMs < best.dueMs || (timer.dueMs === best.dueMs && timer.order < best.order)) best = timer
    }
    return best
  }

  return {
    nowMs: () => monotonicMs + offsetMs,
    monotonicMs: () => monotonicMs,
    setTimer(delayMs, callback): Timer {
      if (!(delayMs >= 0)) throw new TypeError(`a timer's delay is at least 0 ms, got ${delayMs}`)
      const timer = { dueMs: monotonicMs + delayMs, order: order++, callback }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    async advance(ms) {
      if (!(ms >= 0)) throw new TypeError(`time advances by at least 0 ms, got ${ms}`)
      const endMs = monotonicMs + ms
      await settle()
      for (let timer = nextDue(endMs); timer; timer = nextDue(endMs)) {
        timers.delete(timer)
        monotonicMs = Math.max(monotonicMs, timer.dueMs)
        timer.callback()
        await settle()
      }
      monotonicMs = endMs
    },
    stepWall: (ms) => void (offsetMs += ms),
    timerCount: () => timers.size,
  }
}
