/** What an edit of a large image costs: what the primary reads, what it writes and sends, what both members store. */
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { Control } from '../src/control.ts'
import { World } from '../src/holdfast.ts'
import { seeded } from '../src/seeded.ts'
import type { Status } from '../src/status.ts'
import type { Plan } from './cases.ts'
import { makeHalfCompressible } from './half-compressible.ts'
import { flush, VOLUME } from './holdfast-tool.ts'
import type { Row } from './report.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const EDIT_BYTES = 64 * KIB

export interface ImageEdit {
  readonly seconds: number
  /** Bytes that the primary read from files and sockets, and wrote to them. */
  readonly readBytes: number
  readonly writtenBytes: number
  readonly storedBytes: readonly [here: number, there: number]
}

/** One write of 64 KiB in the middle of an image, from its close until both of two members hold it. */
export async function measureImageEdit(plan: Plan, gibibytes: number): Promise<ImageEdit> {
  plan.tell(`an edit of an image of ${gibibytes} GiB`)
  const source = join(plan.directory, 'edited-image')
  makeHalfCompressible(source, gibibytes * GIB, gibibytes * GIB)
  const world = new World('bench-image')
  try {
    const nodes = await world.mesh('a', 'b')
    const [primary] = nodes
    if (primary === undefined) throw new Error('a mesh of none')
    const controls = nodes.map((node) => new Control(node.home))
    const [control] = controls
    if (control === undefined) throw new Error('a mesh of none')
    const stored = (): Promise<number[]> =>
      Promise.all(controls.map(async (each) => (await each.document<Status>('status')).node.storedBytes))
    await control.document('protect', { directory: source, name: VOLUME })
    await flush(control, 'quorum')
    const before = { io: ioOf(primary.pid), stored: await stored(), at: performance.now() }
    const file = join(source, '0.bin')
    const fd = openSync(file, 'r+')
    writeSync(fd, seeded('image edit').bytes(EDIT_BYTES), 0, EDIT_BYTES, Math.floor(statSync(file).size / 2))
    closeSync(fd)
    await flush(control, 'quorum')
    const seconds = (performance.now() - before.at) / 1000
    const io = ioOf(primary.pid)
    const [here = 0, there = 0] = (await stored()).map((bytes, index) => bytes - (before.stored[index] ?? 0))
    for (const each of controls) each.close()
    return {
      seconds,
      readBytes: io.readBytes - before.io.readBytes,
      writtenBytes: io.writtenBytes - before.io.writtenBytes,
      storedBytes: [here, there],
    }
  } finally {
    await world.close()
  }
}

/** What a process has read and written so far, from the page cache or not, sockets included. */
function ioOf(pid: number): { readBytes: number; writtenBytes: number } {
  const text = readFileSync(`/proc/${pid}/io`, 'utf8')
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1])
  return { readBytes: field('rchar'), writtenBytes: field('wchar') }
}

export function imageEditRow(gibibytes: number, edit: ImageEdit): Row {
  const [here, there] = edit.storedBytes.map((bytes) => (bytes / MIB).toFixed(2))
  const measured = `${edit.seconds.toFixed(2)} s; read ${(edit.readBytes / MIB).toFixed(0)} MiB, written and sent ${(edit.writtenBytes / MIB).toFixed(2)} MiB, stored ${here} and ${there} MiB`
  const line = `64 KiB written into an image of ${gibibytes} GiB → both of two members`
  return { line, measured, against: '', wanted: '' }
}
