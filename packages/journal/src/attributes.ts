/**
 * The attributes of a path as bytes: the sealed half of a record (behind the path), and the rows of the catalog. Extents
 * name their chunk by its place in the record's public list. What comes later goes into the tail of tagged fields, which
 * older readers skip.
 */
import { HoldfastError } from '@holdfast/ports'
import type { Extent } from '@holdfast/sealing'
import { FINGERPRINT_BYTES } from '@holdfast/sealing'
import type { Reader } from '@holdfast/codec'
import {
  ByteWriter,
  decodeAll,
  readByte,
  readBytes,
  readCount,
  readInt64,
  readLengthAndBytes,
  readUint,
} from '@holdfast/codec'
import type { ChunkRef, FileContent, FileState, FileType, Special, Xattr } from './record.ts'
import { findRef } from './refs.ts'

/** A state but for its path. */
export type Attributes = Omit<FileState, 'path'>

const TYPES: readonly FileType[] = ['file', 'directory', 'symlink', 'other']
const CONTENTS: readonly FileContent['type'][] = ['none', 'inline', 'recipe']
const FLAG_TORN = 1
const CONTENT_SHIFT = 1
const TAG_TARGET = 1
const TAG_XATTRS = 2
const TAG_HARD_LINK = 3
const TAG_SPARSE = 4
const TAG_SPECIAL = 5
const SPECIAL_KINDS: readonly Special['kind'][] = ['fifo', 'character', 'block']
const EMPTY = new Uint8Array(0)
/** Smallest encoding of an extent: ref, offset, length, fingerprint. */
const EXTENT_BYTES_MIN = 3 + FINGERPRINT_BYTES

/** Appends the attributes; `refs` is the record's list, in which the content's chunks are looked up. */
export function writeAttributes(writer: ByteWriter, state: Attributes, refs: readonly ChunkRef[]): void {
  const { content } = state
  writer
    .byte(TYPES.indexOf(state.type))
    .byte((state.torn ? FLAG_TORN : 0) | (CONTENTS.indexOf(content.type) << CONTENT_SHIFT))
    .uint(state.mode)
    .uint(state.uid)
    .uint(state.gid)
    .int64(state.mtimeNs)
    .uint(state.size)
  if (content.type === 'inline') {
    writer.uint(content.extents.length)
    for (const extent of content.extents) {
      writer.uint(findRef(refs, extent.chunk)).uint(extent.offset).uint(extent.length).bytes(extent.fingerprint)
    }
  }
  if (state.target !== undefined) writer.uint(TAG_TARGET).lengthAndBytes(state.target)
  if (state.xattrs !== undefined) writer.uint(TAG_XATTRS).lengthAndBytes(encodeXattrs(state.xattrs))
  if (state.hardLink !== undefined) writer.uint(TAG_HARD_LINK).lengthAndBytes(state.hardLink)
  if (state.sparse === true) writer.uint(TAG_SPARSE).lengthAndBytes(EMPTY)
  if (state.special !== undefined) writer.uint(TAG_SPECIAL).lengthAndBytes(encodeSpecial(state.special))
}

/** Reads attributes up to the end; byte fields are views. @throws RangeError, HF_RECORD_MISMATCH */
export function readAttributes(reader: Reader, refs: readonly ChunkRef[]): Attributes {
  const type = TYPES[readByte(reader)]
  const flags = readByte(reader)
  const contentType = CONTENTS[flags >> CONTENT_SHIFT]
  if (type === undefined || contentType === undefined) throw new RangeError('unknown type')
  const fields = {
    type,
    mode: readUint(reader),
    uid: readUint(reader),
    gid: readUint(reader),
    mtimeNs: readInt64(reader),
    size: readUint(reader),
    torn: (flags & FLAG_TORN) !== 0,
    content: readContent(reader, contentType, refs),
  }
  return { ...fields, ...readTail(reader) }
}

function readContent(reader: Reader, type: FileContent['type'], refs: readonly ChunkRef[]): FileContent {
  if (type === 'none') return { type }
  if (type === 'recipe') return { type, root: refAt(refs, 0).id }
  const extents: Extent[] = []
  for (let count = readCount(reader, EXTENT_BYTES_MIN); count > 0; count--) {
    extents.push({
      chunk: refAt(refs, readUint(reader)).id,
      offset: readUint(reader),
      length: readUint(reader),
      fingerprint: readBytes(reader, FINGERPRINT_BYTES),
    })
  }
  return { type, extents }
}

function refAt(refs: readonly ChunkRef[], index: number): ChunkRef {
  const ref = refs[index]
  if (ref === undefined) throw new HoldfastError('HF_RECORD_MISMATCH', `chunk ${index} of ${refs.length} is used`)
  return ref
}

type Tail = Pick<FileState, 'target' | 'xattrs' | 'hardLink' | 'sparse' | 'special'>

/** Tagged fields in ascending order, each with its length; unknown ones are skipped. */
function readTail(reader: Reader): Tail {
  const tail: { -readonly [Field in keyof Tail]: Tail[Field] } = {}
  for (let last = 0; reader.start < reader.end;) {
    const tag = readUint(reader)
    if (tag <= last) throw new RangeError('fields are out of order')
    last = tag
    const value = readLengthAndBytes(reader)
    if (tag === TAG_TARGET) tail.target = value
    else if (tag === TAG_XATTRS) tail.xattrs = decodeXattrs(value)
    else if (tag === TAG_HARD_LINK) tail.hardLink = value
    else if (tag === TAG_SPARSE) tail.sparse = readMark(value)
    else if (tag === TAG_SPECIAL) tail.special = decodeSpecial(value)
  }
  return tail
}

function readMark(value: Uint8Array): true {
  if (value.byteLength > 0) throw new RangeError('a mark has a value')
  return true
}

function encodeXattrs(xattrs: readonly Xattr[]): Uint8Array {
  const writer = new ByteWriter().uint(xattrs.length)
  for (const { name, value } of xattrs) writer.lengthAndBytes(name).lengthAndBytes(value)
  return writer.take()
}

function decodeXattrs(bytes: Uint8Array): Xattr[] {
  return decodeAll('extended attributes', bytes, (reader) => {
    const xattrs: Xattr[] = []
    for (let count = readCount(reader, 2); count > 0; count--) {
      xattrs.push({ name: readLengthAndBytes(reader), value: readLengthAndBytes(reader) })
    }
    return xattrs
  })
}

const encodeSpecial = ({ kind, major, minor }: Special): Uint8Array =>
  new ByteWriter().byte(SPECIAL_KINDS.indexOf(kind)).uint(major).uint(minor).take()

function decodeSpecial(bytes: Uint8Array): Special {
  return decodeAll('a special file', bytes, (reader) => {
    const kind = SPECIAL_KINDS[readByte(reader)]
    if (kind === undefined) throw new RangeError('unknown kind of a special file')
    return { kind, major: readUint(reader), minor: readUint(reader) }
  })
}
