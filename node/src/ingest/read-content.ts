import fs from 'node:fs'
import type { Source } from '@holdfast/capture'
import { SEGMENT_BYTES_MAX } from '@holdfast/chunker'
import type { Arena, Cutter } from '@holdfast/chunker'
import { READ_BYTES } from './limits.ts'

/** Where the content of a file goes, segment by segment. */
export interface SegmentSink {
  /** The file is read from its beginning, maybe again: what came before is void. */
  restart(): void
  /** The view is valid during the call. Answers whether reading should pause here. */
  segment(bytes: Uint8Array): boolean
}

/** An open file, with what was said of it before its first byte is read. */
export interface Opened {
  readonly fd: number
  readonly size: number
  /** Bytes that it takes on its drive. */
  readonly diskBytes: number
  readonly source: Source
  readonly arena: Arena
  readonly cutter: Cutter
}

interface Run {
  readonly start: number
  readonly end: number
  readonly isHole: boolean
}

/** A segment of a hole: the same bytes each time. */
const ZEROS = new Uint8Array(SEGMENT_BYTES_MAX)
/** Between two pauses in a hole, segments: what reading and cutting `READ_BYTES` takes. */
const HOLE_SEGMENTS_PER_STEP = 8
/** Between two pauses while holes are looked for: about 2 ms. */
const HOLES_PER_STEP = 1000

/**
 * Sends as many bytes as the file had when it was looked at, segment by segment: one that grows all the time ends too. Large
 * holes are not read, and the data on both sides of one is cut by itself, so that a hole costs its segments only. Yields
 * between pieces of work. What was read, and whether there are holes. @throws the errors of the system's calls
 */
export function* readContent(
  opened: Opened,
  sink: SegmentSink,
): Generator<void, { readonly size: number; readonly sparse: boolean }, undefined> {
  if (opened.diskBytes >= opened.size) {
    return { size: yield* readData(opened, 0, opened.size, sink), sparse: false }
  }
  let sparse = false
  let size = 0
  for (const { start, end, isHole } of runsOf(opened, () => (sparse = true))) {
    if (start === end) yield
    if (isHole) yield* sendZeros(end - start, sink)
    const read = isHole ? end - start : yield* readData(opened, start, end, sink)
    size += read
    if (read < end - start) break
  }
  return { size, sparse }
}

/** Data, and the holes that are worth a segment of their own; smaller ones count as data. An empty run is a pause. */
function* runsOf({ fd, size, source }: Opened, onHole: () => void): Generator<Run> {
  let start = 0
  let holes = 0
  for (let at = 0; at < size;) {
    const hole = source.nextHole(fd, at, size)
    if (hole === undefined) break
    if (hole.start < size) onHole()
    // A file system whose answers do not move on is not asked again.
    if (hole.end <= at) break
    at = hole.end
    if (++holes % HOLES_PER_STEP === 0) yield { start, end: start, isHole: false }
    if (hole.end - hole.start < SEGMENT_BYTES_MAX) continue
    if (hole.start > start) yield { start, end: hole.start, isHole: false }
    yield { start: hole.start, end: hole.end, isHole: true }
    start = hole.end
  }
  if (start < size) yield { start, end: size, isHole: false }
}

function* sendZeros(count: number, sink: SegmentSink): Generator<void, void, undefined> {
  let sent = 0
  for (let left = count; left > 0; left -= SEGMENT_BYTES_MAX) {
    const isFull = sink.segment(ZEROS.subarray(0, Math.min(left, SEGMENT_BYTES_MAX)))
    if (isFull || ++sent % HOLE_SEGMENTS_PER_STEP === 0) yield
  }
}

/** Bytes of the run that were there. */
function* readData(
  { fd, arena, cutter }: Opened,
  from: number,
  to: number,
  sink: SegmentSink,
): Generator<void, number, undefined> {
  let left = to - from
  let at = from
  let start = 0
  let end = 0
  while (left > 0 || start < end) {
    arena.bytes.copyWithin(0, start, end)
    end -= start
    start = 0
    while (left > 0 && end < arena.bytes.length) {
      const count = fs.readSync(fd, arena.bytes, end, Math.min(arena.bytes.length - end, left, READ_BYTES), at)
      end += count
      at += count
      left = count === 0 ? 0 : left - count
    }
    // Short of the end of the run, a cut is final only with the largest segment at hand.
    const atHandMin = left === 0 ? 1 : SEGMENT_BYTES_MAX
    while (end - start >= atHandMin) {
      const length = cutter.cut(start, end - start)
      if (sink.segment(arena.bytes.subarray(start, start + length))) yield
      start += length
    }
    yield
  }
  return at - from
}
