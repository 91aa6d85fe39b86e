/**
 * A group as one message between threads: a flat buffer, moved and not copied. As objects, a group of small files would cost the
 * threads more than reading the files. Both ends are this very module, so there is no version.
 */
import type { EntryType, ExtendedAttribute, SpecialFile } from '@holdfast/capture'
import type { ChunkId, ErrorCode } from '@holdfast/ports'
import {
  asChunkId,
  asVolumeId,
  CHUNK_ID_BYTES,
  equalBytes,
  ERROR_CODES,
  HoldfastError,
  VOLUME_ID_BYTES,
} from '@holdfast/ports'
import type { Extent } from '@holdfast/sealing'
import { FINGERPRINT_BYTES } from '@holdfast/sealing'
import type { FrameEntry } from '@holdfast/store-pack'
import { GROUP_MESSAGE_BYTES } from './limits.ts'
import type { Draft, DraftRef } from './types.ts'

type WritableDraft = { -readonly [Field in keyof Draft]: Draft[Field] }

/** A written frame and the number that its chunk has in the segment table. */
export interface AnnouncedFrame {
  readonly entry: FrameEntry
  readonly number: number | undefined
}

export interface GroupContent {
  readonly group: number
  readonly drafts: readonly Draft[]
  readonly frames: readonly AnnouncedFrame[]
}

const DRAFT_TYPES: readonly Draft['type'][] = ['file', 'directory', 'symlink', 'absent', 'unreadable', 'other']
const ENTRY_TYPES: readonly EntryType[] = ['file', 'directory', 'symlink', 'other']

const TORN = 1
const STAT = 2
const TARGET = 4
const EXTENTS = 8
const RECIPE = 16
const ERROR = 32
const XATTRS = 64
const HARD_LINK = 128
const SPARSE = 256
const SPECIAL = 512
const SPECIAL_KINDS: readonly SpecialFile['kind'][] = ['fifo', 'character', 'block']

const flag = (bit: number, value: unknown): number => (value === undefined || value === false ? 0 : bit)

/** The buffer is the caller's, to be transferred. */
export function encodeGroup({ group, drafts, frames }: GroupContent): ArrayBuffer {
  const out = new Writer()
  out.u32(group)
  out.u32(frames.length)
  for (const { entry, number } of frames) {
    out.bytes(entry.volume)
    out.bytes(entry.id)
    out.u32(entry.pack)
    out.f64(entry.offset)
    out.u32(entry.bodyBytes)
    out.u32(number === undefined ? 0 : number + 1)
  }
  out.u32(drafts.length)
  for (const draft of drafts) encodeDraft(out, draft)
  return out.finish()
}

/** Byte fields are views on `buffer`. */
export function decodeGroup(buffer: ArrayBuffer): GroupContent {
  const read = new Reader(buffer)
  const group = read.u32()
  const frames = read.times(read.u32(), (): AnnouncedFrame => {
    const volume = asVolumeId(read.bytes(VOLUME_ID_BYTES))
    const id = read.bytes(CHUNK_ID_BYTES)
    const entry = {
      kind: 'chunk',
      volume,
      id,
      start: 0,
      blockCount: 0,
      pack: read.u32(),
      offset: read.f64(),
      bodyBytes: read.u32(),
    } as const
    const number = read.u32()
    return { entry, number: number === 0 ? undefined : number - 1 }
  })
  return { group, frames, drafts: read.times(read.u32(), () => decodeDraft(read)) }
}

function encodeDraft(out: Writer, draft: Draft): void {
  const { stat, target, extents, recipe, error, refs, needs } = draft
  out.u8(DRAFT_TYPES.indexOf(draft.type))
  out.u32(
    flag(TORN, draft.torn) |
      flag(STAT, stat) |
      flag(TARGET, target) |
      flag(EXTENTS, extents) |
      flag(RECIPE, recipe) |
      flag(ERROR, error) |
      flag(XATTRS, draft.xattrs) |
      flag(HARD_LINK, draft.hardLink) |
      flag(SPARSE, draft.sparse) |
      flag(SPECIAL, draft.special),
  )
  out.sized(draft.path)
  out.u32(draft.mode)
  out.u32(draft.uid)
  out.u32(draft.gid)
  out.i64(draft.mtimeNs)
  out.f64(draft.size)
  if (stat !== undefined) {
    out.u8(ENTRY_TYPES.indexOf(stat.type))
    out.i64(stat.dev)
    out.i64(stat.ino)
    out.f64(stat.size)
    out.i64(stat.mtimeNs)
    out.i64(stat.ctimeNs)
    out.u32(stat.mode)
    out.u32(stat.uid)
    out.u32(stat.gid)
    out.u8(stat.linked ? 1 : 0)
  }
  if (target !== undefined) out.sized(target)
  out.u32(refs.length)
  for (const { id, storedBytes, kind } of refs) {
    out.chunkId(id)
    out.u32(storedBytes)
    out.u8(kind === 'bundle' ? 0 : 1)
  }
  if (extents !== undefined) {
    out.u32(extents.length)
    for (const { chunk, offset, length, fingerprint } of extents) {
      out.u32(refIndex(refs, chunk))
      out.u32(offset)
      out.u32(length)
      out.bytes(fingerprint)
    }
  }
  if (recipe !== undefined) out.u32(refIndex(refs, recipe.root))
  out.u32(needs.length)
  for (const id of needs) out.chunkId(id)
  if (error !== undefined) {
    out.text(error.code)
    out.text(error.message)
  }
  encodeRare(out, draft)
}

/** What few drafts have. */
function encodeRare(out: Writer, { xattrs, hardLink, special }: Draft): void {
  if (xattrs !== undefined) {
    out.u32(xattrs.length)
    for (const { name, value } of xattrs) {
      out.sized(name)
      out.sized(value)
    }
  }
  if (hardLink !== undefined) out.sized(hardLink)
  if (special !== undefined) {
    out.u8(SPECIAL_KINDS.indexOf(special.kind))
    out.u32(special.major)
    out.u32(special.minor)
  }
}

function refIndex(refs: readonly DraftRef[], id: ChunkId): number {
  const index = refs.findIndex((ref) => ref.id === id || equalBytes(ref.id, id))
  if (index < 0) throw new TypeError('a draft whose content is not in its refs')
  return index
}

// Field by field: spreading parts into one object takes three times as long, and a group holds thousands of drafts.
function decodeDraft(read: Reader): Draft {
  const type = DRAFT_TYPES[read.u8()] ?? read.fail()
  const flags = read.u32()
  const draft: WritableDraft = {
    path: read.sized(),
    type,
    mode: read.u32(),
    uid: read.u32(),
    gid: read.u32(),
    mtimeNs: read.i64(),
    size: read.f64(),
    torn: (flags & TORN) !== 0,
    refs: [],
    needs: [],
  }
  if (flags & STAT) draft.stat = decodeStat(read)
  if (flags & TARGET) draft.target = read.sized()
  const refs = read.times(read.u32(), (): DraftRef => {
    const id = read.chunkId()
    return { id, storedBytes: read.u32(), kind: read.u8() === 0 ? 'bundle' : 'recipe' }
  })
  draft.refs = refs
  const refAt = (index: number): ChunkId => refs[index]?.id ?? read.fail()
  if (flags & EXTENTS) {
    draft.extents = read.times(read.u32(), (): Extent => {
      const chunk = refAt(read.u32())
      return { chunk, offset: read.u32(), length: read.u32(), fingerprint: read.bytes(FINGERPRINT_BYTES) }
    })
  }
  if (flags & RECIPE) draft.recipe = { root: refAt(read.u32()) }
  draft.needs = read.times(read.u32(), () => read.chunkId())
  if (flags & ERROR) draft.error = { code: errorCode(read), message: read.text() }
  if (flags >= XATTRS) decodeRare(read, flags, draft)
  return draft
}

function decodeRare(read: Reader, flags: number, draft: WritableDraft): void {
  if (flags & XATTRS) {
    draft.xattrs = read.times(read.u32(), (): ExtendedAttribute => ({ name: read.sized(), value: read.sized() }))
  }
  if (flags & HARD_LINK) draft.hardLink = read.sized()
  if (flags & SPARSE) draft.sparse = true
  if (flags & SPECIAL)
    draft.special = { kind: SPECIAL_KINDS[read.u8()] ?? read.fail(), major: read.u32(), minor: read.u32() }
}

function decodeStat(read: Reader): NonNullable<Draft['stat']> {
  return {
    type: ENTRY_TYPES[read.u8()] ?? read.fail(),
    dev: BigInt.asUintN(64, read.i64()),
    ino: BigInt.asUintN(64, read.i64()),
    size: read.f64(),
    mtimeNs: read.i64(),
    ctimeNs: read.i64(),
    mode: read.u32(),
    uid: read.u32(),
    gid: read.u32(),
    linked: read.u8() === 1,
  }
}

function errorCode(read: Reader): ErrorCode {
  const code = read.text()
  return code in ERROR_CODES ? (code as ErrorCode) : read.fail()
}

class Writer {
  #bytes = new Uint8Array(GROUP_MESSAGE_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #length = 0
  readonly #places = new Map<ChunkId, number>()

  u8(value: number): void {
    const at = this.#room(1)
    this.#view.setUint8(at, value)
  }
  u32(value: number): void {
    const at = this.#room(4)
    this.#view.setUint32(at, value, true)
  }
  i64(value: bigint): void {
    const at = this.#room(8)
    this.#view.setBigInt64(at, value, true)
  }
  f64(value: number): void {
    const at = this.#room(8)
    this.#view.setFloat64(at, value, true)
  }
  bytes(value: Uint8Array): void {
    const at = this.#room(value.byteLength)
    this.#bytes.set(value, at)
  }
  /** Small files share few chunks: an id is written once, then named by its place. */
  chunkId(id: ChunkId): void {
    const place = this.#places.get(id) ?? 0
    this.u32(place)
    if (place > 0) return
    this.#places.set(id, this.#places.size + 1)
    this.bytes(id)
  }
  sized(value: Uint8Array): void {
    this.u32(value.byteLength)
    this.bytes(value)
  }
  text(value: string): void {
    this.sized(Buffer.from(value))
  }
  finish(): ArrayBuffer {
    return this.#bytes.buffer.slice(0, this.#length)
  }

  /** First, since it may replace bytes and view. */
  #room(count: number): number {
    const at = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }
}

class Reader {
  readonly #buffer: ArrayBuffer
  readonly #view: DataView
  readonly #chunkIds: ChunkId[] = []
  #at = 0

  constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer
    this.#view = new DataView(buffer)
  }

  u8(): number {
    return this.#view.getUint8(this.#step(1))
  }
  u32(): number {
    return this.#view.getUint32(this.#step(4), true)
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.#step(8), true)
  }
  f64(): number {
    return this.#view.getFloat64(this.#step(8), true)
  }
  bytes(count: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.#step(count), count)
  }
  /** The same object for the same chunk. */
  chunkId(): ChunkId {
    const place = this.u32()
    if (place > 0) return this.#chunkIds[place - 1] ?? this.fail()
    const id = asChunkId(this.bytes(CHUNK_ID_BYTES))
    this.#chunkIds.push(id)
    return id
  }
  sized(): Uint8Array {
    return this.bytes(this.u32())
  }
  text(): string {
    return Buffer.from(this.sized()).toString()
  }
  times<T>(count: number, read: () => T): T[] {
    const list: T[] = []
    for (let index = 0; index < count; index++) list.push(read())
    return list
  }
  fail(): never {
    throw new HoldfastError('HF_INTERNAL', 'a group from an ingest worker cannot be read')
  }

  #step(count: number): number {
    const at = this.#at
    this.#at += count
    return at
  }
}
