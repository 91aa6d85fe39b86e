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

const { to, keyRing, setuid } = workerData as RestoreThreadData
const keys = deriveVolumeKeys(decodeKeyRing(keyRing))
const opener = createOpener(keys)
const fingerprint = createFingerprinter(keys.fingerprint)
const writer = new TreeWriter(to, { setuid })
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

function writePieces(stored: Uint8Array, pieces: readonly Piece[]): void {
  const { plain } = opener.open(stored)
  for (const piece of pieces) {
    const bytes = plain.subarray(piece.offset, piece.offset + piece.length)
    if (bytes.byteLength !== piece.length || !equalBytes(fingerprint(bytes), piece.fingerprint)) {
      throw new HoldfastError('HF_CHUNK_CORRUPT', 'a segment does not match its fingerprint')
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
}

function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  let written = 0
  while (written < bytes.byteLength)
    written += fs.writeSync(fd, bytes, written, bytes.byteLength - written, offset + written)
}

/** Whether what is on disk is what was written. */
function differs(
  file: Uint8Array,
  segments: readonly { fileOffset: number; length: number; fingerprint: Uint8Array }[],
): boolean {
  try {
    const fd = fs.openSync(
      Buffer.concat([to, Buffer.from(path.sep), file]),
      fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW,
    )
    try {
      for (const { fileOffset, length, fingerprint: expected } of segments) {
        const bytes = Buffer.alloc(length)
        if (fs.readSync(fd, bytes, 0, length, fileOffset) !== length || !equalBytes(fingerprint(bytes), expected))
          return true
      }
      return false
    } finally {
      fs.closeSync(fd)
    }
  } catch {
    return true
  }
}

function perform(task: RestoreTask): Uint8Array[] {
  switch (task.type) {
    case 'chunk':
      writePieces(task.stored, task.pieces)
      return []
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
      for (const { path: file, aside } of task.files) writer.dropAside(file, aside)
      return []
    case 'verify':
      return task.files.filter((file) => differs(file.path, file.segments)).map((file) => file.path)
    case 'sync':
      writer.sync()
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
