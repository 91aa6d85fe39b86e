import assert from 'node:assert/strict'
import { hasCode, HoldfastError } from '@holdfast/ports'
import { findByName } from '../../src/service/find-by-name.ts'

const thing = (name: string, ...id: number[]) => ({ name, id: Uint8Array.from(id) })
const THINGS = [
  thing('web', 0xab, 0xcd, 1),
  thing('db', 0xab, 0xcd, 2),
  thing('beef', 1, 2, 3),
  thing('x', 0xbe, 0xef, 0),
]
const find = (text: string, things = THINGS) =>
  findByName(
    'node',
    text,
    things,
    ({ name }) => name,
    ({ id }) => id,
  )

describe('findByName', () => {
  it('finds by name, before by the beginning of an id', () => {
    assert.equal(find('web').name, 'web')
    assert.equal(find('beef').name, 'beef')
    assert.equal(find('beef00').name, 'x')
    assert.equal(find('ABCD02').name, 'db')
  })

  it('refuses what several have', () => {
    const refusal = (text: string, things = THINGS): HoldfastError => {
      try {
        find(text, things)
      } catch (error) {
        assert.ok(hasCode(error, 'HF_BAD_INPUT'))
        return error
      }
      throw new assert.AssertionError({ message: 'it was found' })
    }
    assert.match(refusal('abcd').message, /several nodes have an id that begins with abcd/)
    assert.match(refusal('web', [...THINGS, thing('web', 7, 7)]).next ?? '', /abcd01, 0707/)
  })

  it('names what there is if there is no such thing', () => {
    const isMissing = (next: RegExp) => (error: unknown) =>
      hasCode(error, 'HF_NOT_FOUND') && next.test(error.next ?? '')
    assert.throws(() => find('abc'), isMissing(/there are: beef, db, web, x/))
    assert.throws(() => find('zzzz', []), isMissing(/there are no nodes yet/))
    assert.throws(() => find(''), isMissing(/there are/))
  })
})
