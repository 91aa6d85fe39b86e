import assert from 'node:assert/strict'
import { blake3 } from '@holdfast/hash'
import { asVolumeId, hexOf } from '@holdfast/ports'
import { signEntry } from '../src/authoring.ts'
import { decodeBundle } from '../src/bundle.ts'
import { encodeEntry, voteBytes, zeroHash, type Entry } from '../src/documents.ts'
import {
  createJoinRequest,
  encodeBallots,
  encodeCharterMessage,
  encodeJoinRequest,
  encodeJoinToken,
  type JoinToken,
} from '../src/index.ts'
import { found, idOf, keyOf, MESH, NOW, seedBytes } from './world.ts'

/** The bytes of `docs/formats.md`: a change here is a change of format. Ed25519 is deterministic, so signatures are too. */

const key = keyOf(0)
const token: JoinToken = {
  mesh: MESH,
  charterHash: seedBytes(1, 32),
  inviter: idOf(key),
  addresses: ['198.51.100.7:4747'],
  expiresAtMs: NOW,
  role: 'full',
  region: 'us-1',
  seed: seedBytes(2, 32),
}
const head = { mesh: MESH, author: idOf(key), counter: 1 }
const entries: Record<string, Entry> = {
  addresses: { type: 'addresses', ...head, addresses: ['a:1', 'b:2'] },
  invitations: {
    type: 'invitations',
    ...head,
    invitations: [{ oneTimeKey: seedBytes(3, 32), role: 'learner', expiresAtMs: NOW, usedBy: idOf(keyOf(1)) }],
  },
  volume: {
    type: 'volume',
    ...head,
    volume: asVolumeId(seedBytes(4, 16)),
    nonce: seedBytes(5, 16),
    previous: zeroHash(),
    attempt: 1,
    name: 'data',
    copies: 3,
    public: false,
    protected: true,
    primary: idOf(key),
    members: [{ node: idOf(key), role: 'full', voter: true }],
    keyEpoch: 1,
    sealedKeys: [{ to: idOf(key), sealed: seedBytes(6, 10) }],
    createdAtMs: NOW,
    charterHash: seedBytes(7, 32),
  },
}
const ballot = { round: 1, proposer: idOf(key) }
const proposed = { body: seedBytes(8, 5) }

const vectors: Record<string, () => string> = {
  'version 1': () => hexOf(decodeBundle(found().encodeBundle()).versions[0]?.body ?? new Uint8Array()),
  'hash of version 1': () => hexOf(found().head().hash),
  'what a voter signs': () => hexOf(voteBytes(ballot, seedBytes(9, 32))),
  'bundle of version 1 (its BLAKE3)': () => hexOf(blake3(found().encodeBundle())),
  'entry: addresses': () => hexOf(encodeEntry(entries['addresses'] as Entry)),
  'entry: invitations': () => hexOf(encodeEntry(entries['invitations'] as Entry)),
  'entry: volume': () => hexOf(encodeEntry(entries['volume'] as Entry)),
  'signature of an entry': () => hexOf(signEntry(key, entries['addresses'] as Entry).signature),
  'message: prepare': () => hexOf(encodeCharterMessage({ type: 'prepare', previous: seedBytes(1, 32), ballot })),
  'message: accept': () =>
    hexOf(encodeCharterMessage({ type: 'accept', previous: seedBytes(1, 32), ballot, proposed })),
  'message: promise': () =>
    hexOf(encodeCharterMessage({ type: 'promise', ballot, accepted: { ballot, value: proposed } })),
  'message: vote': () =>
    hexOf(encodeCharterMessage({ type: 'vote', ballot, hash: seedBytes(1, 32), signature: seedBytes(2, 64) })),
  'kept ballots': () =>
    hexOf(encodeBallots({ previous: seedBytes(1, 32), promised: ballot, accepted: { ballot, value: proposed } })),
  'join token': () => encodeJoinToken(token, key),
  'join request': () =>
    hexOf(encodeJoinRequest(createJoinRequest(token, keyOf(1), { name: 'b', region: 'us-1', addresses: ['b:1'] }))),
}

const GOLDEN: Record<string, string> = {
  'version 1':
    '01c8c9cacbcccdcecfd0d1d2d3d4d5d6d7010000000000000000000000000000000000000000000000000000000000000000ff00505c18a3010000010009746573742d6d65736888cb427f64d02222515729f3a16d2f758bb252587ec9421a07c63d1593380eac03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8066e6f64652d300465752d3100',
  'hash of version 1': '8e8fc22ae58547e43d68a651a3e849b188d4c787506db53735869236372bd9f7',
  'what a voter signs':
    '010103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728',
  'bundle of version 1 (its BLAKE3)': 'a94de1a768507993e569dfce32e8cd66d52e9237fd085346e33d32ad02403859',
  'entry: addresses':
    '0100c8c9cacbcccdcecfd0d1d2d3d4d5d6d703a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8010203613a3103623a32',
  'entry: invitations':
    '0101c8c9cacbcccdcecfd0d1d2d3d4d5d6d703a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80101030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021220200ff00505c18a30100000179b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664',
  'entry: volume':
    '0102c8c9cacbcccdcecfd0d1d2d3d4d5d6d703a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8010405060708090a0b0c0d0e0f1011121305060708090a0b0c0d0e0f1011121314000000000000000000000000000000000000000000000000000000000000000001046461746103000103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80001010103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80a060708090a0b0c0d0e0fff00505c18a30100000708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526',
  'signature of an entry':
    '53f6a42318130fc7bbbd5a745f8d738ba124bf676c7fcdf2d3994076a74afff330a3b5070064bb13750650203540a22f370b07f54c80ee216887dc5c81822f07',
  'message: prepare':
    '01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8',
  'message: accept':
    '01010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80508090a0b0c00',
  'message: promise':
    '01020103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8010103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80508090a0b0c00',
  'message: vote':
    '01030103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4041',
  'kept ballots':
    '010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20010103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8010103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b80508090a0b0c00',
  'join token':
    'hf1AcjJysvMzc7P0NHS09TV1tcBAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fIAOhB7_zzhC-HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4ARExOTguNTEuMTAwLjc6NDc0N_8AUFwYowEAAAABBHVzLTECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIbOc8Iaicxpbl3btbBrL614FSqIZf5W-YlrJAKXWAuv2FvE3HhgSgvMZg70MIZcFsrF799dai0-A3h8fBnO9PAmzxUFi',
  'join request':
    '0179b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad04966443cdc023d22d5f9e107d1a0693457d35d1d10eb7d21c721192f56f5de40665d301620475732d310103623a31653fcb78ce357b8f872ddbc963df8b4b7aa9354be89616abc7b5d1f620fbb46882acbdd6132744a71ef044835e1af9f5aa1dd1b427f0864216362e4315a92f0110584956422fe3f3ac3bade9a73e95e4b8d07de704abdb4e36d692c6a270044a406371aa01cc9514da005854058308fde8d262dfe61dd1d6ea2a2b762fc7c10f',
}

describe('charter: golden vectors (docs/formats.md)', () => {
  for (const [title, encode] of Object.entries(vectors)) it(title, () => assert.equal(encode(), GOLDEN[title]))
})
