import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { ERROR_CODES } from '@holdfast/ports'
import { EXIT, EXIT_MEANINGS, EXIT_OF_ERROR } from '../src/exit-codes.ts'

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
/** Cells of the table rows that begin with a cell in back-quotes. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  )

describe('docs/errors.md', () => {
  it('lists every error code with its exit code and its meaning, and no other', () => {
    const documented = rows
      .filter(([code]) => code?.startsWith('HF_'))
      .map(([code, exit, meaning]) => [code, Number(exit), meaning])
    const expected = Object.entries(ERROR_CODES).map(([code, meaning]) => [
      code,
      EXIT_OF_ERROR[code as keyof typeof ERROR_CODES],
      meaning,
    ])
    assert.deepEqual(documented, expected)
  })

  it('lists every exit code with its meaning', () => {
    const documented = rows
      .filter(([code]) => /^\d+$/.test(code ?? ''))
      .map(([code, meaning]) => [Number(code), meaning])
    assert.deepEqual(
      documented,
      EXIT_MEANINGS.map(([code, meaning]) => [code, meaning]),
    )
    assert.deepEqual(
      EXIT_MEANINGS.map(([code]) => code),
      Object.values(EXIT),
    )
  })

  it('the table of codes is in order', () => {
    assert.deepEqual(Object.keys(ERROR_CODES), Object.keys(ERROR_CODES).toSorted())
  })
})
