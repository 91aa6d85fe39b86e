/** Time as a port, so that the simulator owns it. */
export interface Timer {
  /** Idempotent; after it the callback does not run. */
  cancel(): void
}

export interface Clock {
  /** Milliseconds since 1970, UTC; may step in both directions. */
  nowMs(): number
  /** Milliseconds since some fixed moment; never goes back. For durations and time-outs. */
  monotonicMs(): number
  /** Runs `callback` once, not before `delayMs` (≥ 0) have passed, never in the same turn. */
  setTimer(delayMs: number, callback: () => void): Timer
}

export interface Random {
  /** `count` bytes fit for keys and nonces, the caller's to keep. */
  bytes(count: number): Uint8Array
  /** A number in [0, 1). For jitter only. */
  fraction(): number
}
