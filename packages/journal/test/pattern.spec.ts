import assert from 'node:assert/strict'
import { hasCode } from '@holdfast/ports'
import { compilePattern } from '../src/index.ts'
import { bytesOf } from './rows.ts'

describe('pattern', () => {
  const cases: readonly [pattern: string, matching: readonly string[], others: readonly string[]][] = [
    ['*.txt', ['a.txt', '.txt', 'd/e/b.txt'], ['a.txt.gz', 'txt']],
    ['a', ['a', 'x/a'], ['ab', 'a/b']],
    ['d/*', ['d/a', 'd/'], ['d', 'd/a/b', 'x/d/a']],
    ['d/**', ['d/a', 'd/a/b'], ['d', 'e/d/a']],
    ['**/x', ['x', 'a/x', 'a/b/x'], ['ax', 'a/bx', 'x/a']],
    ['a/**/x', ['a/x', 'a/b/x', 'a/b/c/x'], ['ax', 'a/bx', 'b/a/x']],
    ['**', ['a', 'a/b'], []],
    ['a**z/', ['a/b/z/', 'az/'], ['az']],
    ['?', ['a', 'ä', '€', '😀', 'd/a'], ['', 'ab', 'äb']],
    ['a?c', ['abc', 'aéc'], ['ac', 'abbc', 'a/c']],
    ['[a-c]x', ['ax', 'cx'], ['dx', 'x', '-x']],
    ['[!a-c]x', ['dx', '-x'], ['ax']],
    ['[^a]', ['b'], ['a']],
    ['[]]', [']'], ['a']],
    ['[!]]', ['a'], [']']],
    ['[a-]', ['a', '-'], ['b']],
    ['\\*', ['*'], ['a']],
    ['\\[a', ['[a'], ['a']],
    ['a\\', ['a\\'], ['a']],
  ]
  for (const [pattern, matching, others] of cases) {
    it(pattern, () => {
      const matches = compilePattern(bytesOf(pattern))
      for (const path of matching) assert.ok(matches(bytesOf(path)), `${path} should match`)
      for (const path of others) assert.ok(!matches(bytesOf(path)), `${path} should not match`)
    })
  }

  it('bytes that are no UTF-8 are matched one by one', () => {
    const matches = compilePattern(bytesOf('a?'))
    assert.ok(matches(Uint8Array.of(0x61, 0xff)))
    assert.ok(compilePattern(Uint8Array.of(0xff, 0x2a))(Uint8Array.of(0xff, 0x01)))
  })

  it('a pattern made to be slow is not', () => {
    const matches = compilePattern(bytesOf(`${'*a'.repeat(100)}b`))
    assert.ok(!matches(bytesOf('a'.repeat(255))))
  })

  it('malformed patterns have a code', () => {
    for (const pattern of ['', '[a', '[', '[]', 'a'.repeat(5000)]) {
      assert.throws(
        () => compilePattern(bytesOf(pattern)),
        (error) => hasCode(error, 'HF_BAD_INPUT'),
      )
    }
  })
})
