/** Every decoder of this package against any bytes. Inputs that once led somewhere new are kept in `test/corpus`. */
import { fileURLToPath } from 'node:url'
import { decoderContract } from '@holdfast/contracts'
import { decodeBundle } from '../src/bundle.ts'
import { decodeEntry, decodeVersion, encodeEntry } from '../src/documents.ts'
import * as charter from '../src/index.ts'
import { found, idOf, keyOf, meshOf, MESH, NOW, seedBytes } from './world.ts'

const CORPUS = fileURLToPath(new URL('../../test/corpus', import.meta.url))

const key = keyOf(0)
const ballot = { round: 1, proposer: idOf(key) }
const proposed = { body: seedBytes(8, 5) }
const token: charter.JoinToken = {
  mesh: MESH,
  charterHash: seedBytes(1, 32),
  inviter: idOf(key),
  addresses: ['198.51.100.7:4747'],
  expiresAtMs: NOW,
  role: 'full',
  region: 'us-1',
  seed: seedBytes(2, 32),
}
const join = { name: 'b', region: 'us-1', addresses: ['b:1'] }
const head = { mesh: MESH, author: idOf(key), counter: 1 }

describe('decoders', () => {
  decoderContract(CORPUS, {
    'charter bundle': { decode: decodeBundle, valid: () => [found().encodeBundle(), meshOf(3).state.encodeBundle()] },
    'charter version': {
      decode: decodeVersion,
      valid: () => decodeBundle(meshOf(2).state.encodeBundle()).versions.map(({ body }) => body),
    },
    'charter entry': {
      decode: decodeEntry,
      valid: () => [
        encodeEntry({ type: 'addresses', ...head, addresses: ['a:1', 'b:2'] }),
        encodeEntry({
          type: 'invitations',
          ...head,
          invitations: [{ oneTimeKey: seedBytes(3, 32), role: 'learner', expiresAtMs: NOW, usedBy: idOf(key) }],
        }),
      ],
    },
    'charter message': {
      decode: charter.decodeCharterMessage,
      valid: () => [
        charter.encodeCharterMessage({ type: 'prepare', previous: seedBytes(1, 32), ballot }),
        charter.encodeCharterMessage({ type: 'accept', previous: seedBytes(1, 32), ballot, proposed }),
        charter.encodeCharterMessage({ type: 'promise', ballot, accepted: { ballot, value: proposed } }),
        charter.encodeCharterMessage({ type: 'vote', ballot, hash: seedBytes(1, 32), signature: seedBytes(2, 64) }),
      ],
    },
    ballots: {
      decode: charter.decodeBallots,
      valid: () => [
        charter.encodeBallots({
          previous: seedBytes(1, 32),
          promised: ballot,
          accepted: { ballot, value: proposed },
        }),
      ],
    },
    'join token': {
      decode: (bytes) => charter.decodeJoinToken(Buffer.from(bytes).toString('latin1')),
      valid: () => [Buffer.from(charter.encodeJoinToken(token, key), 'latin1')],
    },
    'join request': {
      decode: charter.decodeJoinRequest,
      valid: () => [charter.encodeJoinRequest(charter.createJoinRequest(token, keyOf(1), join))],
    },
    'co-signature request': {
      decode: charter.decodeCosignRequest,
      valid: () => [charter.encodeCosignRequest({ body: seedBytes(1, 200), signature: seedBytes(2, 64) })],
    },
    'co-signature reply': {
      decode: charter.decodeCosignReply,
      valid: () => [
        charter.encodeCosignReply({ type: 'cosigned', signature: seedBytes(2, 64) }),
        charter.encodeCosignReply({ type: 'refused', reason: 'later', locked: seedBytes(3, 40) }),
        charter.encodeCosignReply({ type: 'refused', reason: 'no' }),
      ],
    },
    'co-signature locks': {
      decode: charter.decodeCosignLocks,
      valid: () => [
        charter.encodeCosignLocks(
          new Map([['00112233445566778899aabbccddeeff', { counter: 1, attempt: 2, request: seedBytes(0, 30) }]]),
        ),
      ],
    },
  })
})
