import assert from 'node:assert/strict'
import { hasCode } from '@holdfast/ports'
import * as fc from 'fast-check'
import { checkPath, joinPath, PATH_BYTES_MAX, splitPath } from '../src/index.ts'
import { bytesOf, path } from './rows.ts'

describe('path', () => {
  for (const bad of [
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    './a',
    '../a',
    'a/.',
    'a/..',
    'a/../b',
    'a\0b',
    '\0',
    'a'.repeat(PATH_BYTES_MAX + 1),
  ]) {
    it(`refuses ${JSON.stringify(bad.slice(0, 20))}`, () => {
      assert.throws(
        () => checkPath(bytesOf(bad)),
        (error) => hasCode(error, 'HF_DECODE'),
      )
    })
  }

  for (const good of [
    'a',
    'a/b',
    '...',
    '.a',
    'a.',
    '..a',
    'a..b/c',
    ' ',
    '-',
    '*',
    'a'.repeat(PATH_BYTES_MAX),
    '\u00ff',
  ]) {
    it(`takes ${JSON.stringify(good.slice(0, 20))}`, () => checkPath(bytesOf(good)))
  }

  it('takes any bytes but NUL', () =>
    checkPath(Uint8Array.from({ length: 255 }, (_, byte) => byte + 1).filter((byte) => byte !== 0x2f)))

  it('is joined of what it splits into', () => {
    fc.assert(
      fc.property(path, (any) => {
        const { directory, name } = splitPath(any)
        assert.deepEqual(joinPath(directory, name), any)
      }),
    )
  })
})
