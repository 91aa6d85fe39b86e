import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import { STARTING_MARK } from '../src/connect.ts'
import type { LocalNode, NewNode, NewNodeRequest, UpRequest } from '../src/local.ts'
import { exitErrorOf, run } from './memory-io.ts'

const made: NewNode = {
  node: 'eu',
  nodeId: 'ab'.repeat(32),
  mesh: 'cd'.repeat(16),
  region: 'eu-1',
  role: 'full',
  listen: ['0.0.0.0:4747'],
}

describe('init and join', () => {
  let directory: string
  const requests: (NewNodeRequest & { token?: string })[] = []
  /** Nodes that were made. */
  let committed = 0
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hf-init-'))
    committed = 0
    requests.length = 0
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const local: Partial<LocalNode> = {
    init: async (request, keepSheet) => {
      requests.push(request)
      await keepSheet({ ...made, recoverySheet: 'THE OPERATOR KEY\nhfop1...\n' })
      committed++
      return made
    },
    join: (request) => {
      requests.push(request)
      return Promise.resolve(made)
    },
  }
  const there = (...args: readonly string[]): ReturnType<typeof run> =>
    run([...args, '--home', 'home'], { local, workingDirectory: directory, input: ' hf1token \n' })

  it('init prints the recovery sheet once, on stdout', async () => {
    const ran = await there(
      'init',
      '--region',
      'eu-1',
      '--name',
      'eu',
      '--drive',
      'd1',
      '--listen',
      '127.0.0.1:0',
      '--announce',
      'a.example:1',
    )
    assert.equal(ran.code, 0, ran.err)
    assert.equal(ran.out, 'THE OPERATOR KEY\nhfop1...\n')
    assert.match(ran.err, /only copy of the operator key\nnext: holdfast up/)
    assert.deepEqual(requests, [
      {
        home: join(directory, 'home'),
        region: 'eu-1',
        name: 'eu',
        drive: join(directory, 'd1'),
        listen: '127.0.0.1:0',
        announce: 'a.example:1',
      },
    ])
    const json = JSON.parse((await there('init', '--json')).out) as Record<string, unknown>
    assert.equal(json['recoverySheet'], 'THE OPERATOR KEY\nhfop1...\n')
    assert.equal(json['node'], 'eu')
  })

  it('init writes the sheet to a new file of the user alone', async () => {
    const ran = await there('init', '--recovery-sheet', 'sheet', '--json')
    const sheet = join(directory, 'sheet')
    assert.equal(ran.code, 0)
    assert.equal(readFileSync(sheet, 'utf8'), 'THE OPERATOR KEY\nhfop1...\n')
    assert.equal(statSync(sheet).mode & 0o777, 0o600)
    assert.equal(ran.out.includes('hfop1'), false)
    assert.equal((JSON.parse(ran.out) as Record<string, unknown>)['recoverySheetFile'], sheet)
  })

  it('a sheet that cannot be written, or exists, stops init before a node is made', async () => {
    writeFileSync(join(directory, 'sheet'), 'mine')
    const exists = await there('init', '--recovery-sheet', 'sheet', '--json')
    assert.deepEqual([exists.code, exitErrorOf(exists).hf_code], [1, 'HF_ALREADY_EXISTS'])
    assert.equal(readFileSync(join(directory, 'sheet'), 'utf8'), 'mine')
    const nowhere = await there('init', '--recovery-sheet', 'no/such/sheet', '--json')
    assert.deepEqual([nowhere.code, exitErrorOf(nowhere).hf_code], [1, 'HF_DESTINATION'])
    assert.deepEqual(requests, [])
  })

  it('a sheet that nobody reads: exit 1, and no node is made', async () => {
    for (const more of [[], ['--json']]) {
      const ran = await run(['init', '--home', 'home', ...more], {
        local,
        workingDirectory: directory,
        outputWritesMax: 0,
      })
      assert.equal(ran.code, 1)
      assert.match(ran.err, /recovery sheet could not be printed; no node was made/)
    }
    assert.equal(committed, 0)
  })

  it('the sheet is whole before the node is made, and stays when the rest of the output is lost', async () => {
    const sheet = join(directory, 'sheet')
    let before = ''
    const watching: Partial<LocalNode> = {
      init: async (_request, keepSheet) => {
        await keepSheet({ ...made, recoverySheet: 'THE KEY\n' })
        before = readFileSync(sheet, 'utf8')
        return made
      },
    }
    const args = ['init', '--home', 'home', '--recovery-sheet', 'sheet', '--json']
    await run(args, { local: watching, workingDirectory: directory, outputWritesMax: 0 })
    assert.deepEqual([before, readFileSync(sheet, 'utf8')], ['THE KEY\n', 'THE KEY\n'])
  })

  it('join says when the home was in that mesh already and has learnt its charter', async () => {
    const learnt = { ...local, join: () => Promise.resolve({ ...made, listen: [], charterVersion: 7 }) }
    const ran = await run(['join', 'hf1x', '--home', 'home'], { local: learnt, workingDirectory: directory })
    assert.match(ran.out, /already and knows its charter again, version 7; its data was not touched/)
    assert.match(ran.err, /next: holdfast up/)
  })

  it('a failed init leaves no sheet', async () => {
    const failing = { init: () => Promise.reject(new HoldfastError('HF_HOME_EXISTS', 'is a node already')) }
    const ran = await run(['init', '--home', directory, '--recovery-sheet', 'sheet'], {
      local: failing,
      workingDirectory: directory,
    })
    assert.equal(ran.code, 1)
    assert.equal(existsSync(join(directory, 'sheet')), false)
  })

  it('more than one drive, addresses that are none, an unreadable or empty passphrase: exit 2, nothing made', async () => {
    writeFileSync(join(directory, 'empty'), '\n')
    for (const [args, says] of [
      [['--drive', 'a', '--drive', 'b'], /one drive/],
      [['--listen', '4747'], /HOST:PORT/],
      [['--listen', 'host:99999'], /HOST:PORT/],
      [['--announce', 'host:0'], /HOST:PORT/],
      [['--passphrase-file', 'nope'], /passphrase/],
      [['--passphrase-file', 'empty'], /empty/],
    ] as const) {
      for (const command of [['init'], ['join', 'hf1x']]) {
        const ran = await there(...command, ...args, '--json')
        assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [2, 'HF_BAD_INPUT'], args.join(' '))
        assert.match(exitErrorOf(ran).message, says)
      }
    }
    assert.deepEqual(requests, [])
  })

  it('join takes the token as it is, from a file, or from standard input', async () => {
    writeFileSync(join(directory, 'token'), 'hf1token\n')
    for (const token of ['hf1token', '@token', '-']) assert.equal((await there('join', token)).code, 0)
    assert.deepEqual(
      requests.map((request) => request.token),
      ['hf1token', 'hf1token', 'hf1token'],
    )
    for (const token of ['@absent', '', '@']) assert.equal((await there('join', token)).code, 2, token)
  })

  it('a token file without end is not read to its end', async () => {
    const ran = await there('join', '@/dev/zero', '--json')
    assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [2, 'HF_BAD_INPUT'])
    assert.match(exitErrorOf(ran).message, /longer than 64 KiB/)
  })

  it('a passphrase keeps its spaces and loses its line end', async () => {
    writeFileSync(join(directory, 'phrase'), ' two words \r\n')
    await there('init', '--passphrase-file', 'phrase')
    assert.equal(requests[0]?.passphrase, ' two words ')
  })
})

describe('up', () => {
  let home: string
  const requests: UpRequest[] = []
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'hf-up-'))
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'identity'), '')
    requests.length = 0
  })
  afterEach(() => rmSync(home, { recursive: true }))

  /** A node that runs until it is stopped, or fails. */
  function localWith(
    change: { passphrase?: boolean; fails?: HoldfastError; onUp?: () => void } = {},
  ): Partial<LocalNode> {
    return {
      needsPassphrase: () => Promise.resolve(change.passphrase ?? false),
      up: (request) => {
        requests.push(request)
        change.onUp?.()
        let end: (() => void) | undefined
        const stopped =
          change.fails === undefined ? new Promise<void>((resolve) => (end = resolve)) : Promise.reject(change.fails)
        stopped.catch(() => undefined)
        const stop = (): Promise<void> => Promise.resolve(end?.())
        return Promise.resolve({
          node: 'eu',
          mesh: 'cd',
          listen: ['127.0.0.1:1'],
          api: `${home}/control.sock`,
          stopped,
          stop,
        })
      },
    }
  }

  it('prints one line when it can serve, and ends with 0 when it is told to stop', async () => {
    const stop = new AbortController()
    setImmediate(() => stop.abort())
    const json = await run(['up', '--json', '--home', home, '--listen', '127.0.0.1:7'], {
      local: localWith(),
      signal: stop.signal,
    })
    assert.equal(json.code, 0, json.err)
    assert.deepEqual(JSON.parse(json.out), {
      event: 'ready',
      node: 'eu',
      mesh: 'cd',
      listen: ['127.0.0.1:1'],
      api: `${home}/control.sock`,
    })
    assert.deepEqual(requests, [{ home, verbosity: 0, listen: '127.0.0.1:7' }])
    const people = await run(['up', '--home', home, '--until-input-ends'], { local: localWith() })
    assert.deepEqual([people.code, people.out], [0, 'node eu is up, listens at 127.0.0.1:1\n'])
  })

  it('marks the home while it starts, so that commands wait', async () => {
    let marked = ''
    const local = localWith({ onUp: () => (marked = readFileSync(join(home, STARTING_MARK), 'utf8')) })
    await run(['up', '--home', home, '--until-input-ends'], { local })
    assert.equal(marked, String(process.pid))
    assert.equal(existsSync(join(home, STARTING_MARK)), false)
  })

  it('a node that cannot go on ends the command with its error', async () => {
    const local = localWith({ fails: new HoldfastError('HF_DRIVE_FAILED', 'the drive refused a sync') })
    const ran = await run(['up', '--json', '--home', home], { local })
    assert.deepEqual([ran.code, exitErrorOf(ran).hf_code], [1, 'HF_DRIVE_FAILED'])
  })

  it('a passphrase is read from a file or asked on a terminal; elsewhere exit 12', async () => {
    const local = localWith({ passphrase: true })
    const args = ['up', '--home', home, '--until-input-ends', '--json']
    const nobody = await run(args, { local })
    assert.deepEqual([nobody.code, exitErrorOf(nobody).hf_code], [12, 'HF_WRONG_KEY'])
    await run(args, { local, terminal: true, answers: ['typed'] })
    writeFileSync(join(home, 'phrase'), 'from file\n')
    await run([...args, '--passphrase-file', join(home, 'phrase')], { local })
    assert.deepEqual(
      requests.map((request) => request.passphrase),
      ['typed', 'from file'],
    )
  })
})
