import { readFileSync } from 'node:fs'
import { ARENA_BYTES, SEGMENT_BYTES_AVERAGE, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from './limits.ts'
import { boundaryParameters } from './parameters.ts'

/** Memory that files are read into and cut in. Fixed: it never grows, so views on it stay valid. */
export interface Arena {
  /** `ARENA_BYTES` long; on memory of one thread. */
  readonly bytes: Uint8Array
  /** A cutter for one volume; `key` is its 32-byte chunker key. Several may be used in turn. */
  cutter(key: Uint8Array): Cutter
}

export interface Cutter {
  /** Bytes of the segment that starts at `offset` of the arena, of which `available` bytes are there. The answer is final only if
   *  `available` is at least `SEGMENT_BYTES_MAX` or the file ends at `offset + available`.
   *  @throws RangeError if that is not inside the arena */
  cut(offset: number, available: number): number
}

const PAGE_BYTES = 65_536
/** The first page holds the parameters; the arena follows it. */
const PARAMETERS_OFFSET = 0
const ARENA_OFFSET = PAGE_BYTES

/** A cut is confirmed with this chance in 2^32, up to the average and beyond it. The prefilter lets one position in 256 through, so the
 *  chances per byte are 2^-18 and 2^-14: a quarter of, and four times, one in 64 Ki, which keeps most lengths near the average. */
const STRICT_THRESHOLD = 2 ** 22
const LOOSE_THRESHOLD = 2 ** 26

type Cut = (
  parameters: number,
  start: number,
  available: number,
  minimum: number,
  normal: number,
  maximum: number,
  strict: number,
  loose: number,
) => number

function cutIn(memory: WebAssembly.Memory): Cut {
  const module = new WebAssembly.Module(readFileSync(new URL('../chunker.wasm', import.meta.url)))
  const { cut } = new WebAssembly.Instance(module, { env: { memory } }).exports
  if (typeof cut !== 'function') throw new TypeError('chunker.wasm has no function "cut"')
  return cut as Cut
}

/** An arena of its own memory (8 MiB and a page). */
export function createArena(): Arena {
  const pages = (ARENA_OFFSET + ARENA_BYTES) / PAGE_BYTES
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const cut = cutIn(memory)
  const bytes = new Uint8Array(memory.buffer, ARENA_OFFSET, ARENA_BYTES)
  let current: Uint8Array | undefined
  return {
    bytes,
    cutter(key) {
      const parameters = boundaryParameters(key)
      return {
        cut(offset, available) {
          if (offset < 0 || available < 0 || offset + available > ARENA_BYTES) {
            throw new RangeError(`${available} bytes at ${offset} are not inside the arena`)
          }
          if (current !== parameters) {
            new Uint8Array(memory.buffer).set(parameters, PARAMETERS_OFFSET)
            current = parameters
          }
          return cut(
            PARAMETERS_OFFSET,
            ARENA_OFFSET + offset,
            available,
            SEGMENT_BYTES_MIN,
            SEGMENT_BYTES_AVERAGE,
            SEGMENT_BYTES_MAX,
            STRICT_THRESHOLD,
            LOOSE_THRESHOLD,
          )
        },
      }
    },
  }
}
