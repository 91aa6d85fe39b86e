import type { NodeClient, VersionEntry, VolumeStatus } from '@holdfast/node/api'
import { HoldfastError, SECOND_MS } from '@holdfast/ports'
import { pause } from '../connect.ts'
import type { Io } from '../io.ts'
import { LiveView, volumeLine } from './live-view.ts'

/** An edit has to show up within a second, with the members that hold it. */
const LOOK_EVERY_MS = SECOND_MS / 5
/** Where no terminal redraws it, the state of the volume is said when it has changed, at most this often. */
const PLAIN_STATUS_EVERY_MS = 10 * SECOND_MS
/** Changes read at one look; the view shows fewer. */
const CHANGES_READ_MAX = 10_000

/** Prints every edit with the members that hold it, and on a terminal the state of the volume below. Ends by the signal only. */
export async function showEdits(client: NodeClient, volume: VolumeStatus, signal: AbortSignal, io: Io): Promise<never> {
  const view = new LiveView()
  const below = io.terminal.stdout ? new RedrawnLine(io) : new PlainLine(io)
  let seq = volume.seq
  for (;;) {
    let status = await statusOf(client, volume.name, signal)
    let entries: VersionEntry[] = []
    if (status.seq > seq) {
      entries = await changesSince(client, volume.name, seq, signal)
      seq = Math.max(status.seq, entries.at(-1)?.seq ?? 0)
      // Seen after the changes: its head is not before theirs.
      status = await statusOf(client, volume.name, signal)
    }
    await below.show(view.look(io.clock.nowMs(), status, entries), volumeLine(status))
    await pause(io.clock, LOOK_EVERY_MS, signal)
  }
}

/** Oldest first. */
async function changesSince(
  client: NodeClient,
  volume: string,
  seq: number,
  signal: AbortSignal,
): Promise<VersionEntry[]> {
  const entries: VersionEntry[] = []
  for await (const event of client.log({ volume, path: '', limit: CHANGES_READ_MAX }, { signal })) {
    if (event.message_type !== 'entry') continue
    if (event.entry.seq <= seq) break
    entries.push(event.entry)
  }
  return entries.toReversed()
}

async function statusOf(client: NodeClient, name: string, signal: AbortSignal): Promise<VolumeStatus> {
  const status = await client.status({}, { signal })
  const volume = status.volumes.find((each) => each.name === name)
  if (volume === undefined) throw new HoldfastError('HF_NOT_FOUND', `volume ${name} is gone`)
  return volume
}

class RedrawnLine {
  readonly #io: Io
  #drawn = ''

  constructor(io: Io) {
    this.#io = io
  }

  async show(lines: readonly string[], status: string): Promise<void> {
    const text = status.slice(0, Math.max(1, this.#io.columns - 1))
    if (lines.length === 0 && text === this.#drawn) return
    this.#drawn = text
    const above = lines.map((line) => `${line}\u001b[K\n`).join('')
    await this.#io.stdout.write(`\r${above}${text}\u001b[K`)
  }
}

class PlainLine {
  readonly #io: Io
  #said = ''
  #saidAtMs = -Infinity

  constructor(io: Io) {
    this.#io = io
  }

  async show(lines: readonly string[], status: string): Promise<void> {
    for (const line of lines) await this.#io.stdout.write(`${line}\n`)
    const nowMs = this.#io.clock.monotonicMs()
    if (status === this.#said || nowMs - this.#saidAtMs < PLAIN_STATUS_EVERY_MS) return
    this.#said = status
    this.#saidAtMs = nowMs
    await this.#io.stdout.write(`${status}\n`)
  }
}
