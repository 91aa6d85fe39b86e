import assert from 'node:assert/strict'
import { blake3, createKeyedHasher, deriveKey, labelledHash } from '../src/index.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
/** The input of the official test vectors: bytes counting from 0 to 250, again and again. */
const input = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index % 251)
const KEY = Buffer.from('whats the Elvish word for friend')
const CONTEXT = 'BLAKE3 2019-12-27 16:29:52 test vectors context'

describe('BLAKE3', () => {
  it('plain: the official test vectors', () => {
    assert.equal(hex(blake3(input(0))), 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262')
    assert.equal(hex(blake3(input(1024))), '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7')
  })

  it('keyed: the official test vectors, again and again from one hasher', () => {
    const hash = createKeyedHasher(KEY)
    for (let round = 0; round < 3; round++) {
      assert.equal(hex(hash(input(0))), '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26')
      assert.equal(hex(hash(input(1000), input(1024).subarray(1000))), hex(hash(input(1024))))
    }
  })

  it('derived: the official test vectors', () => {
    assert.equal(hex(deriveKey(CONTEXT, input(0))), '2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d')
  })

  it('labelled: the label, a zero byte, and the parts as one text', () => {
    const text = Buffer.concat([Buffer.from('label'), Buffer.from([0]), Buffer.from('one'), Buffer.from('two')])
    assert.equal(hex(labelledHash('label', Buffer.from('one'), Buffer.from('two'))), hex(blake3(text)))
    assert.notEqual(hex(labelledHash('label', Buffer.from('one'))), hex(labelledHash('labelo', Buffer.from('ne'))))
  })

  it('hashes a view of a larger buffer without what is around it', () => {
    const whole = input(3000)
    assert.equal(hex(blake3(whole.subarray(100, 200))), hex(blake3(whole.slice(100, 200))))
  })
})
