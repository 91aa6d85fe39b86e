import { KIB, MIB } from '@holdfast/ports'

/** Bytes of a segment: where the condition for a cut turns from strict to loose. Small segments keep an insert into a large image
 *  at about 100 KiB on the wire; fixed per mesh. The mean on real data is about 77 KiB. */
export const SEGMENT_BYTES_AVERAGE = 64 * KIB
/** Least bytes of a segment that is not the last of its file. */
export const SEGMENT_BYTES_MIN = 16 * KIB
/** Most bytes of a segment. */
export const SEGMENT_BYTES_MAX = 256 * KIB
/** Bytes of an arena: 32 of the largest segments, so that moving an unfinished one to the front stays rare. One per worker. */
export const ARENA_BYTES = 8 * MIB
