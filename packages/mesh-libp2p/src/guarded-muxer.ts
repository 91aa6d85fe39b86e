/**
 * yamux with two bounds that it lacks. It collects a whole frame before it looks at the window, so that one header may claim
 * 4 GiB of memory; and it answers pings and refused streams at once, so that a peer which sends them and reads nothing fills
 * the write buffer of its connection. Both are seen here, in front of it, and end the connection.
 */
import { yamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream, StreamMessageEvent, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'

/** Largest yamux frame that is taken, bytes. Ours are a slice and its header. */
export const MUXER_FRAME_BYTES_MAX = 2 * 1024 * 1024
/** Bytes that may wait for a connection's socket; its streams hold themselves back long before. */
export const CONNECTION_BACKLOG_BYTES_MAX = 4 * 1024 * 1024
/** Streams that a peer may have opened on one connection, those included whose protocol is not agreed yet. */
export const CONNECTION_STREAMS_MAX = 256

const HEADER_BYTES = 12
const TYPE_AT = 1
const LENGTH_AT = 8
const DATA_FRAME = 0

/** A peer broke the muxer's bounds. */
export class MuxerBoundError extends Error {
  override readonly name = 'MuxerBoundError'
}

/** Follows the frames in a stream of bytes by their headers. Pure. */
export class FrameLengths {
  readonly #header = new Uint8Array(HEADER_BYTES)
  #headerBytes = 0
  #bodyBytes = 0

  /** @throws MuxerBoundError at a frame above `MUXER_FRAME_BYTES_MAX` */
  push(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.byteLength;) {
      const skipped = Math.min(this.#bodyBytes, bytes.byteLength - offset)
      this.#bodyBytes -= skipped
      offset += skipped
      const taken = Math.min(HEADER_BYTES - this.#headerBytes, bytes.byteLength - offset)
      this.#header.set(bytes.subarray(offset, offset + taken), this.#headerBytes)
      this.#headerBytes += taken
      offset += taken
      if (this.#headerBytes < HEADER_BYTES) return
      this.#headerBytes = 0
      // In all other kinds of frames this number is no length.
      if (this.#header[TYPE_AT] !== DATA_FRAME) continue
      this.#bodyBytes = new DataView(this.#header.buffer).getUint32(LENGTH_AT)
      if (this.#bodyBytes > MUXER_FRAME_BYTES_MAX) throw new MuxerBoundError(`a frame of ${this.#bodyBytes} bytes`)
    }
  }
}

type YamuxOptions = NonNullable<Parameters<typeof yamux>[0]>

/** For libp2p's `streamMuxers`. */
export function guardedYamux(options: YamuxOptions): () => StreamMuxerFactory {
  const make = yamux({ ...options, maxInboundStreams: CONNECTION_STREAMS_MAX })
  return () => new GuardedMuxerFactory(make())
}

class GuardedMuxerFactory implements StreamMuxerFactory {
  readonly protocol: string
  readonly #inner: StreamMuxerFactory

  constructor(inner: StreamMuxerFactory) {
    this.#inner = inner
    this.protocol = inner.protocol
  }

  createStreamMuxer(connection: MessageStream): StreamMuxer {
    // Listeners are called in the order of being added: the guard before the muxer.
    guardConnection(connection)
    return this.#inner.createStreamMuxer(connection)
  }
}

/** Ends the connection when its peer exceeds a bound. */
export function guardConnection(connection: MessageStream): void {
  const lengths = new FrameLengths()
  let refused = false
  connection.addEventListener('message', (event: StreamMessageEvent) => {
    try {
      if (!refused) judge(connection, event, lengths)
    } catch (error) {
      refused = true
      // In a later turn: bytes may come before libp2p has told anybody of the connection, whose end then nobody would hear.
      setImmediate(() => connection.abort(error instanceof Error ? error : new Error(String(error))))
    }
    // The muxer must not see what is refused here.
    if (refused) event.stopImmediatePropagation()
  })
}

/** @throws MuxerBoundError */
function judge(connection: MessageStream, { data }: StreamMessageEvent, lengths: FrameLengths): void {
  for (const bytes of data instanceof Uint8Array ? [data] : data) lengths.push(bytes)
  if (connection.writeBufferLength > CONNECTION_BACKLOG_BYTES_MAX) {
    throw new MuxerBoundError(`${connection.writeBufferLength} bytes wait for it to read`)
  }
}
