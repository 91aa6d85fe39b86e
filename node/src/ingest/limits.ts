import { KIB, MIB, SECOND_MS } from '@holdfast/ports'

/** Worker threads, at most: more gave nothing on two cores, and each costs some 30 MiB. Fewer on fewer cores. */
export const WORKERS_MAX = 4
/** Young generation of a worker's heap, MiB: workers make little garbage that lives, and V8's own choice of 48 costs 30 MiB a worker
 *  for no time saved. */
export const WORKER_YOUNG_GENERATION_MIB = 8
/** Bytes of new frames after which a group ends: one write and one sync of a pack. A frame buffer of this size a worker. */
export const GROUP_BYTES = 8 * MIB
/** Age after which a group ends, ms: bounds how long a finished draft, or a segment in an open bundle, waits for company. */
export const GROUP_MS = SECOND_MS
/** Drafts after which a group ends; about 256 KiB as a message, 3 MiB as drafts, records and rows until it is published. */
export const GROUP_DRAFTS_MAX = 1024
/** Bytes of extended attributes after which a group ends: they travel with the drafts. */
export const GROUP_XATTR_BYTES_MAX = 4 * MIB
/** Groups of one worker that may be on their way: beyond, it waits. At most 32 MiB of new frames, so, that are not durable. */
export const GROUPS_IN_FLIGHT_MAX = 4
/** Times that a file which changes while it is read is read, before what was met is kept as torn. */
export const READ_ATTEMPTS_MAX = 3
/** Bytes of one read: from the page cache, sizes from 256 KiB to 4 MiB are equally fast. */
export const READ_BYTES = 2 * MIB
/** Time a worker works before it looks at its messages, ms: what a commit or a cancellation waits at most, beside one segment. */
export const WORK_SLICE_MS = 5
/** Paths of one batch, the unit in which work is shared out. */
export const BATCH_PATHS_MAX = 256
/** Expected bytes of one batch; a larger file is a batch by itself. A worker gets a second batch while its first is below this. */
export const BATCH_BYTES = 4 * MIB
/** Jobs under way in one pool; beyond, HF_BUSY. */
export const JOBS_MAX = 1024
/** Workers started anew over the life of a pool after one died. */
export const WORKER_RESTARTS_MAX = 8
/** Time a worker gets to sync and close its pack when the pool stops, ms; then it is ended, and what it did not sync was never acknowledged. */
export const STOP_MS = 10 * SECOND_MS
/** Chunks whose numbers `learn` remembers while extents of the same chunk follow one another. */
export const LEARNED_CHUNKS_MAX = 4096
/** First capacity of a list of extents, in extents; it doubles as it fills, 28 bytes each. */
export const EXTENT_LIST_CAPACITY = 4
/** First bytes of the message that a group is written into; it doubles as it fills. */
export const GROUP_MESSAGE_BYTES = 64 * KIB
