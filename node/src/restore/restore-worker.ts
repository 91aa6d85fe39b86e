import fs from 'node:fs'
import path from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { equalBytes, HoldfastError } from '@holdfast/ports'
import { CHUNK_PLAIN_BYTES_MAX, createFingerprinter, createOpener } from '@holdfast/sealing'
import type { RestoreReply, RestoreRequest, RestoreTask, RestoreThreadData } from './messages.ts'
import { contentKeysOf } from './opening-keys.ts'
import { piecesOf, type Piece } from './pieces.ts'
import { writeSparse } from './sparse.ts'
import { destinationError, TreeWriter, writeAll } from './tree-writer.ts'

/** A thread that opens chunks and writes files. Everything in it is synchronous: one task after the other. */

/** Files kept open between chunks. */
const OPEN_FILES_MAX = 128

const { to, keys, privileged, abilities, run } = workerData as RestoreThreadData
const opener = createOpener(contentKeysOf(keys))
const fingerprint = createFingerprinter(keys.fingerprint)
const writer = new TreeWriter(to, { privileged, abilities, run })
const open = new Map<number, number>()
/** A segment that is read back: it was in a chunk, so it is no longer than one. */
const readBuffer = new Uint8Array(CHUNK_PLAIN_BYTES_MAX)

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

/** Places of the pieces that do not match and are not written. */
function writePieces(stored: Uint8Array, pieces: Uint8Array): number[] {
  const { plain } = opener.open(stored)
  const different: number[] = []
  let place = -1
  for (const piece of piecesOf(pieces)) {
    place += 1
    const bytes = plain.subarray(piece.offset, piece.offset + piece.length)
    if (bytes.byteLength === piece.length && equalBytes(fingerprint(bytes), piece.fingerprint)) writePiece(piece, bytes)
    else different.push(place)
  }
  return different
}

function writePiece({ path: file, aside, fileOffset, whole, sparse }: Piece, bytes: Uint8Array): void {
  if (whole !== undefined) return writer.writeFile(file, aside, bytes, whole)
  const fd = fileOf(file, aside)
  try {
    if (sparse) writeSparse(fd, bytes, fileOffset)
    else writeAll(fd, bytes, fileOffset)
  } catch (cause) {
    throw destinationError(file, cause)
  }
}

interface FileToCompare {
  readonly path: Uint8Array
  readonly size: number
}

/** Places of the files that are not what the version has. `packed` has the pieces file after file. */
function differing(files: readonly FileToCompare[], packed: Uint8Array): number[] {
  const pieces = piecesOf(packed)
  const different: number[] = []
  let next = pieces.next()
  for (const [place, file] of files.entries()) {
    const fd = openToRead(file)
    let isSame = fd !== undefined
    for (; next.done !== true && next.value.aside === place; next = pieces.next())
      isSame = isSame && fd !== undefined && holds(fd, next.value)
    if (fd !== undefined) fs.closeSync(fd)
    if (!isSame) different.push(place)
  }
  return different
}

/** The file, if it is a file of that size. */
function openToRead({ path: file, size }: FileToCompare): number | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
  let fd: number | undefined
  try {
    fd = fs.openSync(Buffer.concat([to, Buffer.from(path.sep), file]), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    const stat = fs.fstatSync(fd)
    if (stat.isFile() && stat.size === size) return fd
  } catch {
    // Whatever it is, it is not the version's file.
  }
  if (fd !== undefined) fs.closeSync(fd)
  return undefined
}

function holds(fd: number, { fileOffset, length, fingerprint: expected }: Piece): boolean {
  if (length > readBuffer.byteLength) return false
  const bytes = readBuffer.subarray(0, length)
  try {
    return fs.readSync(fd, bytes, 0, length, fileOffset) === length && equalBytes(fingerprint(bytes), expected)
  } catch {
    return false
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
      for (const { path: link, what, ...attributes } of task.links) writer.writeEntry(link, what, attributes)
      return []
    case 'hard-links':
      return [...task.links.keys()].filter((index) => {
        const link = task.links[index]
        return link !== undefined && !writer.linkTo(link.path, link.existing)
      })
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
      return differing(task.files, task.pieces)
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
    reply({ id, type: 'done', different: perform(task), unkept: writer.takeUnkept() })
  } catch (error) {
    const known =
      error instanceof HoldfastError ? error : new HoldfastError('HF_INTERNAL', String(error), { cause: error })
    reply({ id, type: 'failed', code: known.code, message: known.message, next: known.next })
  }
})
