/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { fileURLToPath } from 'node:url'
import { decoderContract } from '@holdfast/contracts'
import { HoldfastError } from '@holdfast/ports'
import { formatHostPort, parseHostPort } from '../src/addresses.ts'
import { FrameDecoder, FramingError, encodeCredit, encodeEnd, encodeSlice } from '../src/framing.ts'
import { FrameLengths, MuxerBoundError } from '../src/guarded-muxer.ts'

const CORPUS = fileURLToPath(new URL('../../test/corpus', import.meta.url))

/** The transport turns these two into HF_PEER_PROTOCOL. */
const asOurs = (error: unknown): unknown =>
  error instanceof FramingError || error instanceof MuxerBoundError
    ? new HoldfastError('HF_PEER_PROTOCOL', error.message)
    : error

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

describe('decoders', () => {
  decoderContract(CORPUS, {
    framing: {
      decode(bytes) {
        try {
          return [...new FrameDecoder().push(bytes)]
        } catch (error) {
          throw asOurs(error)
        }
      },
      valid: () => [
        Buffer.concat([
          encodeSlice(Uint8Array.of(1, 2, 3), false),
          encodeSlice(new Uint8Array(300), true),
          encodeEnd(),
        ]),
        encodeCredit(70_000),
      ],
    },
    'muxer frames': {
      decode(bytes) {
        try {
          new FrameLengths().push(bytes)
          return true
        } catch (error) {
          throw asOurs(error)
        }
      },
      valid: () => [Buffer.from('000000000000000100000003aabbcc000200010000000000000007', 'hex')],
    },
    address: {
      decode: (bytes) => formatHostPort(parseHostPort(latin1(bytes))),
      valid: () => ['127.0.0.1:4747', '[::1]:80', 'node-1.example:1'].map((text) => Buffer.from(text, 'latin1')),
    },
  })
})
