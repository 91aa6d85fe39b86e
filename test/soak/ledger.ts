/** What the soak may demand back: every version that a flush acknowledged, in a file that survives the soak itself being stopped. */
import { appendFileSync } from 'node:fs'
import { wholeLines } from './whole-lines.ts'

/** The content of a file is a function of these, so the ledger need not keep it. */
export interface Version {
  readonly path: string
  /** Counts the writes of this path, from 1. */
  readonly generation: number
  readonly bytes: number
}

export interface Acknowledged extends Version {
  readonly level: 'local' | 'quorum'
  /** When the flush that acknowledged it returned. */
  readonly at: string
}

export class Ledger {
  readonly #file: string
  readonly #acknowledged: Acknowledged[] = []

  /** Reads what an earlier run wrote, if the file is there. */
  constructor(file: string) {
    this.#file = file
    for (const line of wholeLines(file)) this.#acknowledged.push(...(JSON.parse(line) as Acknowledged[]))
  }

  get acknowledged(): readonly Acknowledged[] {
    return this.#acknowledged
  }

  /** One flush returned 0: these versions must never be lost. */
  add(versions: readonly Acknowledged[]): void {
    if (versions.length === 0) return
    appendFileSync(this.#file, `${JSON.stringify(versions)}\n`)
    this.#acknowledged.push(...versions)
  }

  /** The highest generation acknowledged of each path. */
  generations(): Map<string, number> {
    const highest = new Map<string, number>()
    for (const { path, generation } of this.#acknowledged) {
      highest.set(path, Math.max(generation, highest.get(path) ?? 0))
    }
    return highest
  }
}
