/**
 * A drive in memory that forgets like a real one. What was written is visible at once and durable only when synced: a file's
 * bytes and length by `datasync`, its name by `syncDirectory`. `crash` cuts the power: for each thing not yet durable the test
 * says whether it had reached the drive, had not, or only in part, in any order. This is stricter than the file systems we know.
 *
 * Meant to be survived: power loss at any moment; a write torn in two; unsynced writes and names reordered; a full drive that
 * takes part of a write; a refused write; a failing sync (the drive is failed from then on); bytes that rot.
 */
import { HoldfastError } from '@holdfast/ports'
import type { DriveFile } from '@holdfast/ports'
import { MemoryFile } from './memory-file.ts'
import type { FileChange } from './memory-file.ts'
import { MemoryNames } from './memory-names.ts'
import type { NameChange } from './memory-names.ts'
import { MEMORY_DRIVE_BYTES } from './types.ts'
import type { DriveFault, DriveOperation, Fate, MemoryDrive, MemoryDriveOptions, UnsyncedChange } from './types.ts'

export function createMemoryDrive(options: MemoryDriveOptions = {}): MemoryDrive {
  return new DriveInMemory(options, new MemoryNames())
}

/** Turns of the event loop's microtasks that a sync and a read take: the answer comes later, as from a drive, and other work gets between. */
const SYNC_TURNS = 16
const READ_TURNS = 4

type Change = { readonly described: UnsyncedChange; readonly order: number } & (
  { readonly name: NameChange } | { readonly file: MemoryFile; readonly change: FileChange }
)

class DriveInMemory implements MemoryDrive {
  readonly #totalBytes: number
  readonly #names: MemoryNames
  #fault: MemoryDriveOptions['fault']
  #boundaries = 0
  #state: 'working' | 'failed' | 'off' = 'working'

  constructor(options: MemoryDriveOptions, names: MemoryNames) {
    this.#totalBytes = options.totalBytes ?? MEMORY_DRIVE_BYTES
    this.#fault = options.fault
    this.#names = names
  }

  create(at: string): DriveFile {
    const path = checkPath(at)
    this.#names.checkNew(path)
    this.#change('create', path, 0, () => this.#names.link(path, new MemoryFile(this.#names.nextOrder)))
    return this.#handle(path, true)
  }

  open(at: string, options: { writable?: boolean } = {}): DriveFile {
    this.#refuseIf('off')
    return this.#handle(checkPath(at), options.writable ?? false)
  }

  rename(from: string, to: string): void {
    this.#names.file(checkPath(from))
    this.#names.checkParent(checkPath(to))
    this.#change('rename', to, 0, () => this.#names.rename(from, to))
  }

  remove(at: string): void {
    this.#change('remove', checkPath(at), 0, () => this.#names.unlink(at))
  }

  makeDirectory(at: string): void {
    this.#change('makeDirectory', checkPath(at), 0, () => this.#names.makeDirectory(at))
  }

  list(at: string): string[] {
    this.#refuseIf('off')
    return this.#names.list(checkPath(at))
  }

  async syncDirectory(at: string): Promise<void> {
    const until = this.#names.nextOrder()
    this.#names.checkDirectory(checkPath(at))
    await this.#sync('syncDirectory', at)
    this.#names.sync(at, until)
  }

  space(): { freeBytes: number; totalBytes: number } {
    this.#refuseIf('off')
    return { freeBytes: Math.max(0, this.#totalBytes - this.#names.usedBytes()), totalBytes: this.#totalBytes }
  }

  boundaries(): number {
    return this.#boundaries
  }

  setFault(fault: MemoryDriveOptions['fault']): void {
    this.#fault = fault
  }

  unsynced(): UnsyncedChange[] {
    return this.#changes().map((change) => change.described)
  }

  crash(fateOf: (change: UnsyncedChange, index: number) => Fate): MemoryDrive {
    const fates = this.#changes().map((change, index) => ({ change, fate: fateOf(change.described, index) }))
    const kept = new Set<NameChange>()
    for (const { change, fate } of fates) if ('name' in change && fate !== 'lost') kept.add(change.name)
    const { names, became } = this.#names.afterCrash(kept)
    for (const { change, fate } of fates) if ('file' in change) became.get(change.file)?.settle(change.change, fate)
    this.#state = 'off'
    return new DriveInMemory({ totalBytes: this.#totalBytes }, names)
  }

  corrupt(at: string, offset: number, bytes: Uint8Array): void {
    this.#names.file(at).rot(offset, bytes)
  }

  /** Changes of names, and of files that have or may have a name after the crash. */
  #changes(): Change[] {
    const changes: Change[] = this.#names.changes().map((name) => ({
      order: name.order,
      described: { type: name.type, path: name.path, bytes: 0 },
      name,
    }))
    for (const [file, path] of this.#names.reachable()) {
      for (const change of file.changes()) {
        const described = { type: change.type, path, bytes: change.bytes.byteLength }
        changes.push({ order: change.order, described, file, change })
      }
    }
    return changes.toSorted((a, b) => a.order - b.order)
  }

  #handle(at: string, writable: boolean): DriveFile {
    const file = this.#names.file(at)
    let closed = false
    const refuseIfClosed = (): void => {
      if (closed) throw new HoldfastError('HF_CLOSED', `${at} is closed`)
    }
    const refuseIfReadOnly = (): void => {
      refuseIfClosed()
      if (!writable) throw new TypeError(`${at} is open for reading only`)
    }
    return {
      write: (bytes, offset) => {
        refuseIfReadOnly()
        this.#write(file, at, bytes, offset)
      },
      truncate: (length) => {
        refuseIfReadOnly()
        this.#change('truncate', at, 0, () => file.truncate(length))
      },
      read: async (offset, length) => {
        refuseIfClosed()
        const fault = this.#begin('read', at, length)
        await turns(READ_TURNS)
        this.#refuseIf('off')
        if (fault !== undefined) this.#raise(fault === 'full' ? 'error' : fault, `read ${at}`)
        return file.read(offset, length)
      },
      size: () => {
        refuseIfClosed()
        this.#refuseIf('off')
        return file.size
      },
      datasync: async () => {
        refuseIfClosed()
        const until = this.#names.nextOrder()
        await this.#sync('datasync', at)
        file.sync(until)
      },
      close: () => {
        closed = true
      },
    }
  }

  #write(file: MemoryFile, at: string, bytes: Uint8Array, offset: number): void {
    const room = this.space().freeBytes + file.size - offset
    let fault = this.#begin('write', at, bytes.byteLength)
    let taken = fault === 'full' || fault === 'error' ? bytes.byteLength >> 1 : bytes.byteLength
    if (taken > room) {
      fault ??= 'full'
      taken = Math.max(0, room)
    }
    if (taken > 0) file.write(bytes.slice(0, taken), offset)
    this.#raise(fault, `write ${at}`)
  }

  #change(type: DriveOperation['type'], at: string, bytes: number, apply: () => void): void {
    const fault = this.#begin(type, at, bytes)
    if (fault === undefined || fault === 'power-off') apply()
    this.#raise(fault, `${type} ${at}`)
  }

  async #sync(type: DriveOperation['type'], at: string): Promise<void> {
    const fault = this.#begin(type, at, 0)
    if (fault === 'error' || fault === 'full') this.#state = 'failed'
    if (fault === 'power-off') this.#state = 'off'
    await turns(SYNC_TURNS)
    this.#refuseIf('failed')
  }

  #begin(type: DriveOperation['type'], path: string, bytes: number): DriveFault | undefined {
    this.#refuseIf(type === 'read' ? 'off' : 'failed')
    const boundary = type === 'read' ? -1 : this.#boundaries++
    return this.#fault?.({ boundary, type, path, bytes })
  }

  #raise(fault: DriveFault | undefined, what: string): void {
    if (fault === undefined) return
    if (fault === 'full') throw new HoldfastError('HF_DRIVE_FULL', `${what}: no room`, { retryable: true })
    if (fault === 'power-off') this.#state = 'off'
    throw new HoldfastError('HF_DRIVE_FAILED', `${what}: refused`)
  }

  #refuseIf(state: 'failed' | 'off'): void {
    if (this.#state === 'off') throw new HoldfastError('HF_DRIVE_FAILED', 'the power is off')
    if (state === 'failed' && this.#state === 'failed') throw new HoldfastError('HF_DRIVE_FAILED', 'the drive failed')
  }
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await Promise.resolve()
}

function checkPath(at: string): string {
  if (at !== '' && at.split('/').some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))) {
    throw new TypeError(`not a path of a drive: ${at}`)
  }
  return at
}
