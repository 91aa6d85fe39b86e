/** What the demo shows while it runs: each edit with the members that hold it. Decides only; time and answers are given. */
import type { VersionEntry, VolumeStatus } from '@holdfast/node/api'
import { SECOND_MS } from '@holdfast/ports'
import { pathOfField } from '../text/paths.ts'
import { countText, sizeText } from '../text/sizes.ts'
import { spanText } from '../text/times.ts'

/** An edit that not all members hold after this long is shown with those that do, and again when all do. */
export const HOLDERS_WAIT_MS = 0.7 * SECOND_MS
/** Edits shown one by one per look; of more the rest is a number. */
export const EDITS_SHOWN_MAX = 20
/** Edits that wait for members at one time; beyond it the oldest are not followed any longer. */
const EDITS_FOLLOWED_MAX = 1000

interface Edit {
  readonly entry: VersionEntry
  readonly seenAtMs: number
  /** A member that is complete up to here, in this epoch, holds it. */
  readonly length: number
  readonly epoch: number
  shown: boolean
}

export class LiveView {
  #edits: Edit[] = []

  /** Takes what was captured since the last look (oldest first) and the volume as it was seen after that; gives the lines to print. */
  look(nowMs: number, status: VolumeStatus, entries: readonly VersionEntry[]): string[] {
    const lines: string[] = []
    const { length, epoch } = status
    for (const entry of entries.slice(-EDITS_SHOWN_MAX))
      this.#edits.push({ entry, seenAtMs: nowMs, length, epoch, shown: false })
    if (entries.length > EDITS_SHOWN_MAX)
      lines.push(`${countText(entries.length - EDITS_SHOWN_MAX)} more changes, and:`)
    this.#edits = this.#edits.slice(-EDITS_FOLLOWED_MAX).filter((edit) => {
      const holders = holdersOf(edit, status)
      const all = holders.length >= status.members.length
      if (all || (!edit.shown && nowMs - edit.seenAtMs >= HOLDERS_WAIT_MS)) {
        lines.push(editLine(edit.entry, holders))
        edit.shown = true
      }
      return !all
    })
    return lines
  }
}

/** Regions of the members that hold the edit. */
function holdersOf(edit: Edit, status: VolumeStatus): string[] {
  return status.members
    .filter((member) => status.epoch > edit.epoch || member.completeLength >= edit.length)
    .map((member) => member.region)
}

function editLine(entry: VersionEntry, holders: readonly string[]): string {
  const what = entry.kind === 'delete' ? 'deleted' : entry.type === 'file' ? sizeText(entry.size) : entry.type
  const held = holders.length === 0 ? 'held by nobody yet' : `held by ${holders.join(', ')}`
  return `${entry.time.slice(11, 23)}  ${what.padStart(9)}  ${pathOfField(entry)}  ${held}`
}

/** The volume in one line. */
export function volumeLine(volume: VolumeStatus): string {
  const members = volume.members.map((member) => `${member.region} ${member.state}`).join(', ')
  const risk =
    volume.rpoSeconds === 0
      ? 'nothing would be lost'
      : volume.rpoSeconds === null
        ? 'only here so far'
        : `${spanText(Math.ceil(volume.rpoSeconds) * SECOND_MS)} would be lost`
  return `${volume.name}: ${countText(volume.files)} files, ${sizeText(volume.bytes)}, ${countText(volume.versions)} versions; ${members}; ${risk}`
}
