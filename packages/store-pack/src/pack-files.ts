import { equalBytes, hasCode, HoldfastError } from '@holdfast/ports'
import type { Drive, DriveFile } from '@holdfast/ports'
import { FRAME_HEADER_BYTES } from './frame.ts'
import { encodePackHeader, FooterRows, packNumberOf, packPath, PACKS_DIRECTORY } from './pack-file.ts'
import type { PackScan } from './pack-scan.ts'

/** Packs kept open for reading, the least recently used closed first: descriptors, not memory. */
export const PACK_FILES_OPEN_MAX = 64

/** The packs of one drive as files. */
export class PackFiles {
  readonly #drive: Drive
  /** In the order of last use. */
  readonly #open = new Map<number, DriveFile>()

  constructor(drive: Drive) {
    this.#drive = drive
  }

  /** Makes the directory, durably. */
  async prepare(): Promise<void> {
    this.#drive.makeDirectory(PACKS_DIRECTORY)
    await this.#drive.syncDirectory('')
    await this.#drive.syncDirectory(PACKS_DIRECTORY)
  }

  /** Numbers of all packs on the drive, ascending. */
  list(): number[] {
    const numbers = this.#drive.list(PACKS_DIRECTORY).map(packNumberOf)
    return numbers.filter((pack) => pack !== undefined).toSorted((a, b) => a - b)
  }

  /** The pack, open for reading; it is closed when others are needed. @throws HF_NOT_FOUND */
  file(pack: number): DriveFile {
    const file = this.#open.get(pack) ?? this.#drive.open(packPath(pack))
    this.#open.delete(pack)
    this.#open.set(pack, file)
    for (const [oldest, unused] of this.#open) {
      if (this.#open.size <= PACK_FILES_OPEN_MAX) break
      unused.close()
      this.#open.delete(oldest)
    }
    return file
  }

  /** Runs `work` on a pack that stays open for it, whatever others read meanwhile. @throws HF_NOT_FOUND */
  async withFile<T>(pack: number, work: (file: DriveFile) => Promise<T>): Promise<T> {
    const file = this.#drive.open(packPath(pack))
    try {
      return await work(file)
    } finally {
      file.close()
    }
  }

  isOpen(pack: number): boolean {
    return this.#open.has(pack)
  }

  /** A frame's body. @throws HF_PACK_CORRUPT if the pack ends before it */
  async readBody(place: { pack: number; offset: number; bodyBytes: number }): Promise<Uint8Array> {
    const body = await this.file(place.pack).read(place.offset + FRAME_HEADER_BYTES, place.bodyBytes)
    if (body.byteLength === place.bodyBytes) return body
    throw new HoldfastError('HF_PACK_CORRUPT', `${packPath(place.pack)} ends within a frame at ${place.offset}`)
  }

  /** Makes a pack that an earlier run left open definite: what was found of it becomes durable, then gets a footer, behind whatever
   *  torn bytes there are. Returns the bytes of the file, or undefined if the drive has no room for the footer. */
  async sealRecovered(pack: number, scan: PackScan): Promise<number | undefined> {
    const file = this.#drive.open(packPath(pack), { writable: true })
    const header = encodePackHeader(pack)
    const rows = new FooterRows()
    for (const entry of scan.entries) rows.addEntry(entry)
    try {
      const isNamed = equalBytes(await file.read(0, header.byteLength), header)
      const hasHeader = isNamed || writeOrUndo(file, header, 0)
      await file.datasync()
      const size = file.size()
      const footer = rows.encode(scan.framesEnd, size)
      if (!hasHeader || !writeOrUndo(file, footer, size)) return undefined
      await file.datasync()
      return size + footer.byteLength
    } finally {
      file.close()
    }
  }

  /** Closes all; reads in flight end first. */
  close(): void {
    for (const file of this.#open.values()) file.close()
    this.#open.clear()
  }
}

/** False if the drive has no room; then the file is as long as before. */
function writeOrUndo(file: DriveFile, bytes: Uint8Array, offset: number): boolean {
  const size = file.size()
  try {
    file.write(bytes, offset)
    return true
  } catch (error) {
    if (!hasCode(error, 'HF_DRIVE_FULL')) throw error
    file.truncate(size)
    return false
  }
}
