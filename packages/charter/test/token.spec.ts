import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { asMeshId } from '@holdfast/ports'
import { checkTokenTime, decodeJoinToken, encodeJoinToken, ROLES, type JoinToken } from '../src/index.ts'
import { idOf, keyOf, MESH, NOW, seedBytes, withCode } from './world.ts'

const key = keyOf(0)
const token: JoinToken = {
  mesh: MESH,
  charterHash: seedBytes(1, 32),
  inviter: idOf(key),
  addresses: ['198.51.100.7:4747', 'node.example:4747'],
  expiresAtMs: NOW,
  role: 'full',
  region: 'us-1',
  seed: seedBytes(2, 32),
}
const badToken = withCode('HF_BAD_TOKEN')
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('join token', () => {
  it('is one line, and decodes to what it was made of', () => {
    const line = encodeJoinToken(token, key)
    assert.match(line, /^hf1[\w-]+$/)
    assert.deepEqual(decodeJoinToken(`  ${line}\n`), token)
  })

  it('any token survives', () => {
    const arbitrary = fc.record(
      {
        mesh: bytes(16).map(asMeshId),
        charterHash: bytes(32),
        inviter: fc.constant(idOf(key)),
        addresses: fc.array(fc.string({ maxLength: 40 }), { maxLength: 8 }),
        expiresAtMs: fc.nat(),
        role: fc.constantFrom(...ROLES),
        region: fc.string({ maxLength: 15 }),
        seed: bytes(32),
      },
      {
        noNullPrototype: true,
        requiredKeys: ['mesh', 'charterHash', 'inviter', 'addresses', 'expiresAtMs', 'role', 'seed'],
      },
    )
    fc.assert(fc.property(arbitrary, (any) => assert.deepEqual(decodeJoinToken(encodeJoinToken(any, key)), any)))
  })

  it('truncated at any place, or with any character altered, it is HF_BAD_TOKEN', () => {
    const line = encodeJoinToken(token, key)
    for (let at = 0; at < line.length; at++) {
      assert.throws(() => decodeJoinToken(line.slice(0, at)), badToken)
      const other = line[at] === 'A' ? 'B' : 'A'
      assert.throws(() => decodeJoinToken(line.slice(0, at) + other + line.slice(at + 1)), badToken)
    }
    assert.throws(() => decodeJoinToken(line + 'AAAA'), badToken)
  })

  it('forged, with a checksum that fits, it is HF_BAD_TOKEN: the inviter signs all of it', () => {
    assert.throws(() => decodeJoinToken(encodeJoinToken(token, keyOf(1))), badToken)
  })

  it('of another version, no token at all, or far too long, it says so', () => {
    for (const [text, message] of [
      ['hf2abcd', /another version/],
      ['', /not a join token/],
      ['hello', /not a join token/],
      ['hf1', /cut short/],
      ['hf1!!!!', /cut short/],
      [`hf1${'A'.repeat(9000)}`, /not a join token/],
    ] as const) {
      assert.throws(
        () => decodeJoinToken(text),
        (error) => badToken(error) && error instanceof Error && message.test(error.message),
      )
    }
  })

  it('expires', () => {
    checkTokenTime(token, NOW - 1)
    assert.throws(() => checkTokenTime(token, NOW), badToken)
  })
})
