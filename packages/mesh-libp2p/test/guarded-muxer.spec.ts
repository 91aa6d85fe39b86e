import assert from 'node:assert/strict'
import { StreamMessageEvent } from '@libp2p/interface'
import type { MessageStream } from '@libp2p/interface'
import * as fc from 'fast-check'
import {
  CONNECTION_BACKLOG_BYTES_MAX,
  FrameLengths,
  MUXER_FRAME_BYTES_MAX,
  MuxerBoundError,
  guardConnection,
} from '../src/guarded-muxer.ts'

const frame = (type: number, length: number, bodyBytes = type === 0 ? length : 0): Uint8Array => {
  const bytes = Buffer.alloc(12 + bodyBytes)
  bytes[1] = type
  bytes.writeUInt32BE(7, 4)
  bytes.writeUInt32BE(length, 8)
  return bytes
}

describe('FrameLengths', () => {
  it('lets every allowed frame pass, however the bytes are cut, and finds the one that is too long', () => {
    const data = fc.integer({ min: 0, max: 300 }).map((length) => frame(0, length))
    const other = fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
      .map(([type, value]) => frame(type, value))
    fc.assert(
      fc.property(
        fc.array(fc.oneof(data, other)),
        fc.integer({ min: MUXER_FRAME_BYTES_MAX + 1, max: 2 ** 32 - 1 }),
        fc.integer({ min: 1, max: 40 }),
        (frames, tooLong, cut) => {
          const lengths = new FrameLengths()
          const feed = (bytes: Uint8Array): void => {
            for (let at = 0; at < bytes.byteLength; at += cut) lengths.push(bytes.subarray(at, at + cut))
          }
          feed(Buffer.concat(frames))
          assert.throws(() => feed(frame(0, tooLong, 0)), MuxerBoundError)
        },
      ),
    )
  })
})

describe('guardConnection', () => {
  /** A connection of which only what the guard looks at exists. */
  class FakeConnection extends EventTarget {
    status = 'open'
    writeBufferLength = 0
    readonly refused: string[] = []

    abort(error: Error): void {
      this.status = 'aborted'
      this.refused.push(error.name)
    }
  }

  it('ends a connection whose peer makes this node write and does not read', async () => {
    const connection = new FakeConnection()
    guardConnection(connection as unknown as MessageStream)
    const ping = (): boolean => connection.dispatchEvent(new StreamMessageEvent(frame(2, 1)))
    connection.writeBufferLength = CONNECTION_BACKLOG_BYTES_MAX
    ping()
    assert.deepEqual(connection.refused, [])
    connection.writeBufferLength++
    ping()
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(connection.refused, ['MuxerBoundError'])
  })
})
