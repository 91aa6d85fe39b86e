/** Every bound of replication, with its unit and reason. */
import { KIB, MIB } from '@holdfast/ports'

/** Heads or acks in one message; more go in several. */
export const HEADS_PER_MESSAGE_MAX = 256
/** Volumes of which a peer's heads and acks are kept. */
export const VOLUMES_PER_PEER_MAX = 4096

/** Journal bytes, with the chunks that travel along, that a feed may have sent and not seen accepted, per volume and peer. */
export const FEED_WINDOW_BYTES = MIB
/** Chunks of one live commit that travel along with its frame, bytes in all. */
export const LIVE_CHUNK_BYTES_MAX = 64 * KIB
/** Chunks that travel along with one frame. */
export const LIVE_CHUNKS_MAX = 64
/** Newest commits of a volume kept in memory for followers at the tail, bytes. */
export const LIVE_RING_BYTES = MIB
/** Blocks of one frame, bytes in all: what the journal takes as one append. */
export const FRAME_BLOCK_BYTES_MAX = 4 * MIB
/** One part of a frame on its way. */
export const FRAME_PART_BYTES_MAX = 256 * KIB
/** An encoded frame message: blocks, chunks that travel along, and their headers. */
export const FRAME_MESSAGE_BYTES_MAX = FRAME_BLOCK_BYTES_MAX + MIB

/** One slice of a chunk on its way; larger ones hold up other streams. */
export const CHUNK_SLICE_BYTES_MAX = 64 * KIB
/** Largest chunk that is asked for or served. */
export const CHUNK_BYTES_MAX = MIB
/** Ids in one request. */
export const CHUNK_IDS_PER_REQUEST_MAX = 64
/** Chunks asked for and not settled, per peer. */
export const CHUNKS_PER_PEER_MAX = 512
/** Bytes asked for and not settled, per peer: at the start, at least, at most. The start fills 20 MiB/s at 100 ms. */
export const CREDIT_BYTES_START = 2 * MIB
export const CREDIT_BYTES_MIN = 512 * KIB
export const CREDIT_BYTES_MAX = 16 * MIB
/** Bytes asked for and not settled, over all peers: what a node needs in memory for fetching. */
export const FETCH_BYTES_MAX = 64 * MIB
/** Chunks that the fetcher has in mind: asked for, or about to be. */
export const FETCH_WANTS_MAX = 2048
/** Chunks that no source had, remembered for a while so that others come first. */
export const FETCH_ABSENT_MAX = 65_536
/** What a chunk of unknown length counts for, bytes. */
export const CHUNK_BYTES_ASSUMED = 512 * KIB

/** Calls of this node that wait for one peer's answer, and calls of one peer that are served at a time. */
export const CALLS_PER_PEER_MAX = 64
/** Bodies of one peer's calls that are being answered; beyond, further ones are told that this node is busy. */
export const CALL_BYTES_PER_PEER_MAX = 16 * MIB
/** Body of a call or its answer. */
export const CALL_BODY_BYTES_MAX = 4 * MIB
export const CALL_METHOD_BYTES_MAX = 128
export const CALL_ERROR_BYTES_MAX = 4 * KIB
