import { type ChangeSink, decodeStat, type StatKey } from '@holdfast/capture'
import { text } from './temp.ts'

/** What a walk or check told. */
export interface Found {
  readonly changed: string[]
  readonly vanished: string[]
  readonly problems: string[]
  readonly directories: string[]
  readonly why: Map<string, { known: boolean; racy: boolean }>
  readonly stats: Map<string, StatKey>
  readonly sink: ChangeSink
}

export function listen(): Found {
  const found: Omit<Found, 'sink'> = {
    changed: [],
    vanished: [],
    problems: [],
    directories: [],
    why: new Map(),
    stats: new Map(),
  }
  const sink: ChangeSink = {
    changed(path, words, why) {
      found.changed.push(text(path))
      found.why.set(text(path), { ...why })
      found.stats.set(text(path), decodeStat(words))
    },
    vanished: (path) => found.vanished.push(text(path)),
    problem: (path, errno) => found.problems.push(`${text(path)} ${errno}`),
  }
  return { ...found, sink }
}
