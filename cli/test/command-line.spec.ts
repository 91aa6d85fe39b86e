import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import { exitErrorOf, run } from './memory-io.ts'

/** The first line of the error, which names the home. */
const homeOf = async (args: readonly string[], environment: Record<string, string>): Promise<string> =>
  (await run(['status', ...args], { environment, workingDirectory: '/nonexistent/here' })).err.split('\n')[0] ?? ''

describe('command line', () => {
  it('help and version are results', async () => {
    const help = await run(['--help'])
    assert.equal(help.code, 0)
    assert.match(help.out, /^Usage: holdfast/)
    assert.match(help.out, /protect .*DIR/)
    assert.match(help.out, /\n {2}20 {3}degraded/)
    assert.equal(help.err, '')
    assert.deepEqual(await run(['help', 'flush']), await run(['flush', '--help']))
    assert.match((await run(['flush', '--help'])).out, /--level <LEVEL>[^]*--json/)
    assert.deepEqual(await run(['-V']), { code: 0, out: '1.2.3\n', err: '' })
  })

  it('every command takes the flags that all have, before or after it', async () => {
    for (const args of [
      ['--json', '--home', '/nonexistent', 'node', 'ls'],
      ['node', '--home', '/nonexistent', 'ls', '--json'],
      ['node', 'ls', '--json', '-q', '-v', '--yes', '--home', '/nonexistent'],
    ]) {
      const ran = await run(args)
      assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [10, 'HF_HOME_MISSING'], args.join(' '))
    }
  })

  it('unknown commands and flags suggest the near one: exit 2', async () => {
    for (const [args, says] of [
      [['statsu'], /'statsu'.*status/],
      [['node', 'lss'], /'lss'.*ls/],
      [['flush', '--tiemout', '3s'], /--tiemout.*--timeout/],
      [['status', '--jsno'], /--jsno.*--json/],
      [['snapshot', 'create'], /unknown command/],
      [['protect', '/srv', '--public'], /--public/],
    ] as const) {
      const ran = await run([...args, '--json'])
      const error = exitErrorOf(ran)
      assert.deepEqual([ran.code, error.code, error.hf_code, error.message_type], [2, 2, 'HF_BAD_INPUT', 'exit_error'])
      assert.match(error.message, says)
      assert.equal(ran.out, '')
    }
  })

  it('missing and superfluous arguments, and values that are none: exit 2 before anything is asked', async () => {
    for (const args of [
      [],
      ['member'],
      ['protect'],
      ['protect', '/a', '/b'],
      ['protect', '/a', '--copies', '0'],
      ['protect', '/a', '--copies', 'many'],
      ['flush', '--level', 'geo'],
      ['flush', '--timeout', 'soon'],
      ['flush', '--timeout', '0s'],
      ['invite', '--role', 'king'],
      ['invite', '--ttl', '-3m'],
      ['restore', 'data'],
      ['restore', 'data', '--to', '/t', '--delete'],
      ['restore', ':x', '--to', '/t'],
      ['cat', 'data:x', '--at', 'yesterdayish'],
      ['cat', 'data:x', '--at', ''],
      ['ls', 'data', '--at', '2026-13-45T00:00:00Z'],
      ['diff', 'data', '10 parsecs ago', 'now'],
      ['log', 'data', '--limit', '0'],
      ['member', 'role', 'data', 'eu', 'king'],
      ['status', '--home'],
    ]) {
      const ran = await run([...args, '--home', '/nonexistent'].slice(0, args[1] === '--home' ? 2 : undefined))
      assert.equal(ran.code, 2, `${args.join(' ')}: ${ran.err}`)
      assert.equal(ran.out, '')
    }
  })

  it('an error says what happened, what it means for the data, and what to run', async () => {
    const { err, out } = await run(['status', '--home', '/nonexistent/home'])
    assert.equal(out, '')
    assert.deepEqual(err.trimEnd().split('\n'), [
      'holdfast: there is no node in /nonexistent/home',
      '  HF_HOME_MISSING: there is no node here',
      '  next: create one with holdfast init or holdfast join TOKEN, or name another home with --home',
    ])
  })

  it('the home is the flag, the environment, or a directory of the user; relative to where it was called', async () => {
    assert.match(await homeOf(['--home', 'x'], { HOLDFAST_HOME: '/y' }), / in \/nonexistent\/here\/x$/)
    assert.match(await homeOf([], { HOLDFAST_HOME: '/nonexistent/y' }), / in \/nonexistent\/y$/)
    assert.ok((await run(['config', 'show', '--home', ''], { environment: {} })).err.includes(homedir()))
  })
})
