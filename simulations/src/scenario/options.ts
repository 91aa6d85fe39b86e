/** A run, but for its seed. Rates are per virtual minute, over the whole world; a fault with a rate above 0 must happen at least once. */
export interface ScenarioOptions {
  readonly members: number
  /** Virtual minutes with writes and faults; then everything is mended. */
  readonly minutes: number
  readonly commitsPerMinute: number
  readonly bytesPerSecond: number
  readonly lossRatio: number
  readonly faults: Readonly<Record<FaultName, number>>
}

export const FAULTS = ['kill', 'power', 'cut', 'oneWay', 'flap', 'reset', 'flip', 'rot', 'step', 'lag'] as const
export type FaultName = (typeof FAULTS)[number]

const CALM: Readonly<Record<FaultName, number>> = {
  kill: 0,
  power: 0,
  cut: 0,
  oneWay: 0,
  flap: 0,
  reset: 0,
  flip: 0,
  rot: 0,
  step: 0,
  lag: 0,
}

const MIB = 1024 * 1024
const USUAL = { members: 3, minutes: 5, commitsPerMinute: 60, bytesPerSecond: 20 * MIB, lossRatio: 0.001 } as const

/** Scenarios by name. */
export const SCENARIOS: Readonly<Record<string, ScenarioOptions>> = {
  calm: { ...USUAL, faults: CALM },
  processes: { ...USUAL, faults: { ...CALM, kill: 2, power: 2 } },
  network: { ...USUAL, faults: { ...CALM, cut: 1, oneWay: 1, flap: 1, reset: 2 } },
  corruption: { ...USUAL, faults: { ...CALM, flip: 2, rot: 4 } },
  clocks: { ...USUAL, faults: { ...CALM, step: 4, kill: 1 } },
  chaos: {
    ...USUAL,
    members: 5,
    faults: { kill: 1, power: 1, cut: 1, oneWay: 1, flap: 1, reset: 1, flip: 1, rot: 1, step: 1, lag: 1 },
  },
}
