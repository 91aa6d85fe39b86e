/** What each node of a soak occupied, minute by minute: in a file, so that a soak that was stopped goes on. Linux only. */
import { appendFileSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Control } from '../src/control.ts'
import type { TestNode } from '../src/holdfast.ts'
import type { Status } from '../src/status.ts'
import { rssBytesOf } from '../src/usage.ts'
import { wholeLines } from './whole-lines.ts'

/** One node at one moment. */
export interface NodeSample {
  readonly node: string
  /** Of this process. */
  readonly uptimeSeconds: number
  readonly rssBytes: number
  /** JavaScript objects of the main thread. */
  readonly heapBytes: number
  readonly descriptors: number
  /** Everything in the home: blocks that files occupy. */
  readonly homeBytes: number
  /** Its packs, by its own account. */
  readonly storedBytes: number
}

/** What a soak did so far. */
export interface Counts {
  readonly kills: number
  /** Clean stops, and starts after them. */
  readonly restarts: number
  readonly flushes: number
  /** Flushes that were refused or timed out: nothing was promised. */
  readonly refusals: number
}

export interface Sample {
  /** Time that the soak has run, earlier runs in the same directory included. */
  readonly elapsedSeconds: number
  readonly counts: Counts
  /** Bytes written into the protected directory so far: all of them are content that must be kept. */
  readonly writtenBytes: number
  /** Nodes that were running and answered. */
  readonly nodes: readonly NodeSample[]
}

export class Samples {
  readonly #file: string
  readonly #samples: Sample[] = []

  /** Reads what an earlier run wrote. */
  constructor(file: string) {
    this.#file = file
    this.#samples.push(...wholeLines(file).map((line) => JSON.parse(line) as Sample))
  }

  get all(): readonly Sample[] {
    return this.#samples
  }

  /** The last of an earlier run, or of this one. */
  get last(): Sample | undefined {
    return this.#samples.at(-1)
  }

  add(sample: Sample): void {
    appendFileSync(this.#file, `${JSON.stringify(sample)}\n`)
    this.#samples.push(sample)
  }
}

/** Looks at one running node. @throws ControlError, or ENOENT, if it is killed meanwhile */
export async function sampleOf(node: TestNode, control: Control): Promise<NodeSample> {
  const { node: status } = await control.document<Status>('status')
  return {
    node: node.name,
    uptimeSeconds: status.uptimeSeconds,
    rssBytes: rssBytesOf(node.pid),
    heapBytes: status.heapBytes,
    descriptors: readdirSync(`/proc/${node.pid}/fd`).length,
    homeBytes: occupiedBytes(node.home),
    storedBytes: status.storedBytes,
  }
}

const BLOCK_BYTES = 512

/** Bytes of disk below a directory; what vanishes while it is counted counts as nothing. */
function occupiedBytes(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) continue
    bytes += stat.blocks * BLOCK_BYTES
    if (stat.isDirectory()) bytes += occupiedBytes(path)
  }
  return bytes
}
