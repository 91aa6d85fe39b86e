import { DAY_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from '@holdfast/ports'

/** Paths of one message of the walking thread, and such messages sent before the first was dealt with. A walk waits beyond. */
export const FOUND_PATHS_MAX = 512
export const FOUND_AHEAD_MAX = 8
/** Messages of the watching thread sent before the first was dealt with; beyond, events are dropped and a walk makes up for them. */
export const EVENTS_AHEAD_MAX = 64
export const EVENT_PATHS_MAX = 4096
/** What a walk does before its thread looks at other requests. */
export const WALK_SLICE_MS = 4

/** Changed paths that wait to be read: a walk pauses beyond. Some 400 bytes each, 3 MiB; two jobs, so that the threads never wait. */
export const WORK_MAX = 8192
/** Paths that watchers named and nobody looked at yet, some 300 bytes each; beyond, they are dropped and a walk makes up for them. */
export const HINTS_MAX = 65_536
/** Paths of one check. */
export const CHECK_PATHS_MAX = 1024
/** Paths and expected bytes of one job of the ingest pool, and jobs at once: enough that its threads never wait. */
export const JOB_PATHS_MAX = 4096
export const JOB_BYTES_MAX = 256 * MIB
export const JOBS_MAX = 2
/** A job of files this small that watchers told of starts beside the others: a live edit does not wait for a scan. */
export const SMALL_JOB_PATHS_MAX = 64
export const SMALL_JOB_BYTES_MAX = 16 * MIB
export const SMALL_JOBS_MAX = 4
/** Commits handed to the sink and not done. */
export const CAPTURE_COMMITS_MAX = 4
export const DELETIONS_MAX = 4096

/** Closes of one file within this time of its last read are one version. */
export const MERGE_MS = 200
/** A created file that nobody closes is read after this time. */
export const CREATED_MS = 1 * SECOND_MS
/** A change younger than this when it is read may be followed by one with the same times: some file systems count seconds by twos. */
export const RACY_MS = 2 * SECOND_MS
/** A time that is further ahead than this is not of now: it was set by hand, or the clock was. */
export const AHEAD_MS = 1 * DAY_MS
/** What is written through a memory map changes the times only when it is the first write to a page that is not yet to be written to
 *  disk; measured on ext4 and tmpfs. Linux writes such pages after 30 s, looking every 5 s (vm.dirty_expire_centisecs,
 *  vm.dirty_writeback_centisecs). So a file that was read within this time of its change is read once more by a thorough walk. */
export const YOUNG_MS = 40 * SECOND_MS
/** Walks follow each other after at least this time, and after 400 times what the last one took: 0.25 % of a core. */
export const WALK_INTERVAL_MS_MIN = 1 * MINUTE_MS
export const WALK_INTERVAL_RATIO = 400
/** A walk that makes up for lost events begins after four times what the last one took: a fifth of a core in the worst storm. */
export const REST_RATIO = 4
/** The second walk: for what changed before the watcher was ready. */
export const SECOND_WALK_MS = 1 * SECOND_MS
/** An unavailable root, a full drive or a failed watcher is tried again after this time. */
export const RETRY_MS = 5 * SECOND_MS
/** Directories that wait to be walked; beyond, everything is. */
export const TREES_MAX = 256
/** Unreadable paths kept by name. */
export const UNREADABLE_PATHS_MAX = 1000

/** Files that change while they are held open: looked at so often, until they were quiet for so long, so many. */
export const HOT_INTERVAL_MS = 1 * SECOND_MS
export const HOT_QUIET_MS = 5 * MINUTE_MS
export const HOT_FILES_MAX = 1024
/** A watcher that tells of one within this time takes it off: it was only being written when a walk came by. */
export const HOT_TOLD_MS = 10 * SECOND_MS
/** Large ones are looked at less often: reading all of them should take a twentieth of the time, at a gigabyte a second. */
export const HOT_BYTES_PER_MS = 50 * KIB

/** Memory for short-lived objects of each thread, MiB; without it a walk lets it grow to 48. */
export const YOUNG_GENERATION_MIB = 4
/** Time the threads get to close what they hold open; then they are ended. */
export const STOP_MS = 5 * SECOND_MS
/** Progress is told four times a second at most. */
export const PROGRESS_MS = 250
/** Rows of the stat store per batch and per message. */
export const STAT_ROWS_MAX = 1024
