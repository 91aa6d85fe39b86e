/**
 * Appends frames to the one open pack of its thread. `write` reaches the page cache, `sync` the drive; syncs that meet share one
 * (a queue of one behind the one that runs). Before the first write after a sync goes a mark that says how much was durable, so
 * that recovery knows which bytes must be whole and which may be torn.
 */
import { HoldfastError, hasCode, MIB } from '@holdfast/ports'
import type { Drive, DriveFile } from '@holdfast/ports'
import { asEntry, decodeFrameHeader, encodeMark, FRAME_HEADER_BYTES } from './frame.ts'
import {
  encodePackHeader,
  FooterRows,
  PACK_BYTES_MAX,
  PACK_BYTES_MAX_RANGE,
  PACK_FRAMES_MAX,
  PACK_HEADER_BYTES,
  packPath,
  PACKS_DIRECTORY,
} from './pack-file.ts'
import { journalReserveOf, reserveReached } from './reserve.ts'
import type { FrameEntry, PackWriter, PackWriterOptions } from './types.ts'

/** Bytes of one `write`: twice the largest frame, so that offsets stay within 32 bits. */
export const WRITE_BYTES_MAX = 128 * MIB
/** Full packs that wait for a sync; at 64 MiB they are a gigabyte in the page cache. `write` says HF_BUSY beyond. */
export const UNSYNCED_PACKS_MAX = 16

export function createPackWriter(options: PackWriterOptions): PackWriter {
  return new Writer(options)
}

interface OpenPack {
  readonly number: number
  readonly file: DriveFile
  readonly rows: FooterRows
  /** End of the last whole frame, bytes. */
  length: number
  /** How much of it is known to be durable, and how much the last mark says. */
  durableLength: number
  markedLength: number
  /** Whether something was written since the last sync began. */
  dirty: boolean
}

class Writer implements PackWriter {
  readonly #drive: Drive
  readonly #claim: () => number
  readonly #packBytesMax: number
  readonly #reserveBytes: number
  #open: OpenPack | undefined
  /** Full packs: first their frames are synced, then they get a footer, which the next sync takes along. */
  #full: OpenPack[] = []
  #footed: OpenPack[] = []
  #unsyncedNames = false
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined
  #failure: HoldfastError | undefined
  #closing: Promise<void> | undefined

  constructor(options: PackWriterOptions) {
    this.#drive = options.drive
    this.#claim = options.claimPackNumber
    this.#packBytesMax = options.packBytesMax ?? PACK_BYTES_MAX
    this.#reserveBytes = options.reserveBytes ?? 0
    const { least, most } = PACK_BYTES_MAX_RANGE
    if (this.#packBytesMax < least || this.#packBytesMax > most) {
      throw new TypeError(`packBytesMax is ${least} to ${most} bytes, got ${this.#packBytesMax}`)
    }
  }

  write(frames: Uint8Array): FrameEntry[] {
    this.#refuse()
    const found = parseFrames(frames)
    if (found.length === 0) return []
    this.#keepReserve(found)
    const pack = this.#packFor(frames.byteLength, found.length)
    const lengthBefore = pack.length
    const markedBefore = pack.markedLength
    pack.dirty = true
    try {
      if (pack.durableLength > pack.markedLength) {
        pack.file.write(encodeMark(pack.durableLength), pack.length)
        pack.length += FRAME_HEADER_BYTES
        pack.markedLength = pack.durableLength
      }
      pack.file.write(frames, pack.length)
    } catch (cause) {
      pack.length = lengthBefore
      pack.markedLength = markedBefore
      this.#undo(pack, cause)
    }
    const entries = found.map((frame) => ({ ...frame, pack: pack.number, offset: pack.length + frame.offset }))
    for (const [index, frame] of found.entries()) pack.rows.add(frames, frame.offset, entries[index]?.offset ?? 0)
    pack.length += frames.byteLength
    return entries
  }

  sync(): Promise<void> {
    if (this.#failure !== undefined || this.#closing !== undefined) return Promise.reject(this.#refusal())
    return this.#sync()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #sync(): Promise<void> {
    if (this.#queued !== undefined) return this.#queued
    if (this.#running === undefined) return this.#run()
    this.#queued = this.#running
      .catch(() => {})
      .then(() => {
        this.#queued = undefined
        return this.#run()
      })
    return this.#queued
  }

  #run(): Promise<void> {
    const running = this.#flush().finally(() => {
      this.#running = undefined
    })
    this.#running = running
    return running
  }

  async #flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const full = this.#full.splice(0)
    const footed = this.#footed.splice(0)
    const packs = [...full, ...footed, ...(this.#open === undefined ? [] : [this.#open])].filter((pack) => pack.dirty)
    const lengths = packs.map((pack) => pack.length)
    for (const pack of packs) pack.dirty = false
    const syncs = packs.map((pack) => pack.file.datasync())
    if (this.#unsyncedNames) syncs.push(this.#drive.syncDirectory(PACKS_DIRECTORY))
    this.#unsyncedNames = false
    const refused = (await Promise.allSettled(syncs)).find((result) => result.status === 'rejected')
    if (refused !== undefined) {
      for (const pack of [...full, ...footed]) pack.file.close()
      this.#fail(refused.reason)
    }
    for (const [index, pack] of packs.entries()) pack.durableLength = lengths[index] ?? 0
    for (const pack of footed) pack.file.close()
    for (const pack of full) this.#writeFooter(pack)
  }

  /** The frames are durable. A full drive leaves the pack without a footer: it is read frame by frame then. */
  #writeFooter(pack: OpenPack): void {
    try {
      pack.file.write(pack.rows.encode(pack.length, pack.length), pack.length)
    } catch (cause) {
      try {
        this.#undo(pack, cause)
      } catch (error) {
        pack.file.close()
        if (!hasCode(error, 'HF_DRIVE_FULL')) throw error
        return
      }
    }
    pack.dirty = true
    this.#footed.push(pack)
  }

  async #close(): Promise<void> {
    try {
      if (this.#failure !== undefined) return
      await this.#sync()
      if (this.#open !== undefined) this.#retire(this.#open)
      await this.#sync()
      await this.#sync()
    } finally {
      for (const pack of [...this.#full, ...this.#footed]) pack.file.close()
      this.#open?.file.close()
    }
  }

  /** What is written fits into the reserve, which is larger than all that may be on its way. @throws HF_DRIVE_FULL before the drive is */
  #keepReserve(found: readonly FrameEntry[]): void {
    if (this.#reserveBytes === 0) return
    const hasChunks = found.some(({ kind }) => kind === 'chunk')
    const keptBytes = hasChunks ? this.#reserveBytes : journalReserveOf(this.#reserveBytes)
    const { freeBytes } = this.#drive.space()
    if (freeBytes < keptBytes) throw reserveReached('the drive', freeBytes, keptBytes)
  }

  #packFor(bytes: number, frameCount: number): OpenPack {
    const open = this.#open
    if (open !== undefined) {
      const fits =
        open.length + FRAME_HEADER_BYTES + bytes <= this.#packBytesMax &&
        open.rows.count + frameCount <= PACK_FRAMES_MAX
      if (fits || open.rows.count === 0) return open
      if (this.#full.length >= UNSYNCED_PACKS_MAX) {
        throw new HoldfastError('HF_BUSY', 'too many packs wait for a sync', { retryable: true })
      }
      this.#retire(open)
    }
    this.#open = this.#create()
    return this.#open
  }

  #retire(pack: OpenPack): void {
    this.#full.push(pack)
    this.#open = undefined
  }

  #create(): OpenPack {
    const number = this.#claim()
    const file = this.#drive.create(packPath(number))
    try {
      file.write(encodePackHeader(number), 0)
    } catch (cause) {
      file.close()
      if (!hasCode(cause, 'HF_DRIVE_FULL')) this.#fail(cause)
      this.#drive.remove(packPath(number))
      throw cause
    }
    this.#unsyncedNames = true
    const length = PACK_HEADER_BYTES
    return { number, file, rows: new FooterRows(), length, durableLength: 0, markedLength: 0, dirty: true }
  }

  /** Takes back what a failed write left, so that nothing is found behind the next frame; then says why it failed. */
  #undo(pack: OpenPack, cause: unknown): never {
    if (!hasCode(cause, 'HF_DRIVE_FULL')) this.#fail(cause)
    try {
      pack.file.truncate(pack.length)
    } catch (error) {
      this.#fail(error)
    }
    throw cause
  }

  #fail(cause: unknown): never {
    this.#failure ??= new HoldfastError('HF_DRIVE_FAILED', 'a pack could not be written or synced', {
      cause,
      next: 'replace the drive, or free it from errors and start the node again',
    })
    throw this.#failure
  }

  #refuse(): void {
    if (this.#failure !== undefined || this.#closing !== undefined) throw this.#refusal()
  }

  #refusal(): HoldfastError {
    return this.#failure ?? new HoldfastError('HF_CLOSED', 'the pack writer is closed')
  }
}

/** Entries of frames back to back, with offsets from the start of `frames`. */
function parseFrames(frames: Uint8Array): FrameEntry[] {
  if (frames.byteLength > WRITE_BYTES_MAX) throw new TypeError(`a write of ${frames.byteLength} bytes`)
  const found: FrameEntry[] = []
  for (let at = 0; at < frames.byteLength;) {
    const header = decodeFrameHeader(frames, at)
    const entry = header && asEntry(header, 0, at)
    if (entry === undefined) throw new TypeError(`no frame at byte ${at} of a write`)
    found.push(entry)
    at += FRAME_HEADER_BYTES + entry.bodyBytes
    if (at > frames.byteLength) throw new TypeError('a frame is cut off at the end of a write')
  }
  if (found.length > PACK_FRAMES_MAX) throw new TypeError(`a write of ${found.length} frames`)
  return found
}
