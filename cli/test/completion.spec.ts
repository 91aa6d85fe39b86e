import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { run } from './memory-io.ts'

/** What bash would offer for the last word of a line. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const { out, code } = await run(['completion', 'bash'])
  assert.equal(code, 0)
  const line = ['holdfast', ...words]
  const script = `${out}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`
  const bash = spawnSync('bash', ['-c', script, 'bash', ...line], { encoding: 'utf8' })
  assert.equal(bash.stderr, '')
  return bash.stdout.split('\n').filter((word) => word !== '')
}

describe('completion', () => {
  it('bash: commands, commands below them, flags of their own and of all', async () => {
    assert.deepEqual(await offered('un'), ['unprotect'])
    assert.deepEqual(
      await offered('node', ''),
      [
        'ls',
        'remove',
        '--home',
        '--yes',
        '--json',
        '-q',
        '--quiet',
        '-v',
        '--verbose',
        '-V',
        '--version',
        '--help',
      ].toSorted((a, b) => order(a) - order(b)),
    )
    assert.deepEqual(await offered('flush', '--le'), ['--level'])
    assert.deepEqual(await offered('--home', '/x', 'member', 'role', '--op'), ['--operator-key'])
    assert.deepEqual(await offered('up', '--until'), [])
  })

  it('zsh builds on it; fish has a line each; other shells are refused', async () => {
    assert.match((await run(['completion', 'zsh'])).out, /^autoload[^]*_holdfast/)
    const fish = (await run(['completion', 'fish'])).out
    assert.match(fish, /-a protect -d '/)
    assert.match(fish, /__fish_seen_subcommand_from flush' -l level/)
    assert.equal((await run(['completion', 'tcsh'])).code, 2)
  })
})

const ORDER = [
  'ls',
  'remove',
  '-V',
  '--version',
  '--home',
  '--yes',
  '--json',
  '-q',
  '--quiet',
  '-v',
  '--verbose',
  '--help',
]
const order = (word: string): number => ORDER.indexOf(word)
