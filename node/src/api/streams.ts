/** Answers that come in pieces: pulled at the pace of the client, ended when it is gone. */
import { Readable } from 'node:stream'
import type { HoldfastError } from '@holdfast/ports'
import { asHoldfastError } from './errors.ts'
import { END_COMPLETE, wireError, type FailureLine } from './wire.ts'

/** Bytes of an answer that wait for a slow client before the work is held back. */
export const ANSWER_BUFFER_BYTES = 64 * 1024

/** One JSON document a line; a failure is the last line. The stream itself never fails. */
export function streamOfLines(events: AsyncIterable<unknown>, onError: (error: HoldfastError) => void): Readable {
  async function* lines(): AsyncGenerator<Buffer> {
    try {
      for await (const event of events) yield lineOf(event)
    } catch (cause) {
      const error = asHoldfastError(cause)
      onError(error)
      yield lineOf({ message_type: 'exit_error', ...wireError(error) } satisfies FailureLine)
    }
  }
  return Readable.from(lines(), { objectMode: false, highWaterMark: ANSWER_BUFFER_BYTES })
}

/** Bytes, and once they have been read how it ended, as the trailer says it. */
export function streamOfBytes(
  pieces: AsyncIterable<Uint8Array>,
  onError: (error: HoldfastError) => void,
): { stream: Readable; ending: () => string } {
  let ending = END_COMPLETE
  async function* content(): AsyncGenerator<Buffer> {
    try {
      // A copy: the stream keeps what it is given, the piece is the producer's again at the next pull.
      for await (const piece of pieces) yield Buffer.from(piece)
    } catch (cause) {
      const error = asHoldfastError(cause)
      onError(error)
      ending = encodeURIComponent(JSON.stringify(wireError(error)))
    }
  }
  const stream = Readable.from(content(), { objectMode: false, highWaterMark: ANSWER_BUFFER_BYTES })
  return { stream, ending: () => ending }
}

const lineOf = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`)
