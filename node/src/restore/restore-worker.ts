import fs from 'node:fs'
import path from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { decodeKeyRing, deriveVolumeKeys } from '@holdfast/keys'
import { equalBytes, HoldfastError } from '@holdfast/ports'
import { createFingerprinter, createOpener } from '@holdfast/sealing'
import type { Piece, RestoreReply, RestoreRequest, RestoreTask, RestoreThreadData } from './messages.ts'
import { destinationError, TreeWriter } from './tree-writer.ts'

/** A thread that opens chunks and writes files. Everything in it is synchronous: one task after the other. */

/** Files kept open between chunks. */
const OPEN_FILES_MAX = 128

const { to, keyRing, setuid, run } = workerData as RestoreThreadData
const keys = deriveVolumeKeys(decodeKeyRing(keyRing))
const opener = createOpener(keys)
const fingerprint = createFingerprinter(keys.fingerprint)
const writer = new TreeWriter(to, { setuid, run })
const open = new Map<number, number>()

function fileOf(file: Uint8Array, aside: number): number {
  const known = open.get(aside)
  if (known !== undefined) return known
  const fd = writer.openAside(file, aside)
  open.set(aside, fd)
  if (open.size > OPEN_FILES_MAX) {
    const [oldest] = open
    if (oldest !== undefined) {
      fs.closeSync(oldest[1])
      open.delete(oldest[0])
    }
  }
  return fd
}

function takeFile(file: Uint8Array, aside: number): number {
  const fd = fileOf(file, aside)
  open.delete(aside)
  return fd
}

/** Indexes of the pieces that do not match and are not written. */
function writePieces(stored: Uint8Array, pieces: readonly Piece[]): number[] {
  const { plain } = opener.open(stored)
  const different: number[] = []
  for (const [index, piece] of pieces.entries()) {
    const bytes = plain.subarray(piece.offset, piece.offset + piece.length)
    if (bytes.byteLength !== piece.length || !equalBytes(fingerprint(bytes), piece.fingerprint)) {
      different.push(index)
      continue
    }
    const fd = fileOf(piece.path, piece.aside)
    try {
      writeAll(fd, bytes, piece.fileOffset)
    } catch (cause) {
      throw destinationError(piece.path, cause)
    }
    if (piece.whole === undefined) continue
    open.delete(piece.aside)
    writer.finishFile(piece.path, piece.aside, fd, piece.whole)
  }
  return different
}

function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  let written = 0
  while (written < bytes.byteLength)
    written += fs.writeSync(fd, bytes, written, bytes.byteLength - written, offset + written)
}

type VerifiedFile = Extract<RestoreTask, { type: 'verify' }>['files'][number]

/** Whether what is on disk is not what the version has. */
function differs({ path: file, size, segments }: VerifiedFile): boolean {
  let fd: number | undefined
  try {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
    fd = fs.openSync(Buffer.concat([to, Buffer.from(path.sep), file]), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    const stat = fs.fstatSync(fd)
    if (!stat.isFile() || stat.size !== size) return true
    for (const { fileOffset, length, fingerprint: expected } of segments) {
      const bytes = Buffer.alloc(length)
      if (fs.readSync(fd, bytes, 0, length, fileOffset) !== length) return true
      if (!equalBytes(fingerprint(bytes), expected)) return true
    }
    return false
  } catch {
    return true
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

function drop(file: Uint8Array, aside: number): void {
  const fd = open.get(aside)
  if (fd !== undefined) fs.closeSync(fd)
  open.delete(aside)
  writer.dropAside(file, aside)
}

function closeAll(): void {
  for (const fd of open.values()) fs.closeSync(fd)
  open.clear()
  writer.close()
}

function perform(task: RestoreTask): number[] {
  switch (task.type) {
    case 'chunk':
      return writePieces(task.stored, task.pieces)
    case 'files':
      for (const { path: file, aside, ...attributes } of task.files)
        writer.finishFile(file, aside, takeFile(file, aside), attributes)
      return []
    case 'directories':
      for (const directory of task.paths) writer.makeDirectory(directory)
      return []
    case 'links':
      for (const { path: link, target, ...attributes } of task.links) writer.writeLink(link, target, attributes)
      return []
    case 'directory-attributes':
      for (const { path: directory, ...attributes } of task.directories) writer.finishDirectory(directory, attributes)
      return []
    case 'remove':
      for (const file of task.paths) writer.remove(file)
      return []
    case 'drop':
      for (const { path: file, aside } of task.files) drop(file, aside)
      return []
    case 'verify':
      return [...task.files.keys()].filter((index) => {
        const file = task.files[index]
        return file !== undefined && differs(file)
      })
    case 'sync':
      writer.sync()
      return []
    case 'close':
      closeAll()
      return []
  }
}

function reply(message: RestoreReply): void {
  parentPort?.postMessage(message)
}

parentPort?.on('message', ({ id, task }: RestoreRequest) => {
  try {
    reply({ id, type: 'done', different: perform(task) })
  } catch (error) {
    const known =
      error instanceof HoldfastError ? error : new HoldfastError('HF_INTERNAL', String(error), { cause: error })
    reply({ id, type: 'failed', code: known.code, message: known.message, next: known.next })
  }
})
