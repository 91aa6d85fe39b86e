import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import {
  exitErrorOf,
  HOLDFAST,
  holdfast,
  inNamespace,
  mountsImpossible,
  World,
  type RunResult,
  type TestNode,
} from '../src/holdfast.ts'
import { start } from '../src/processes.ts'
import { assertSameTree, manifestOf } from '../src/tree.ts'

/** The command failed with this exit code and this error code, and its message says what matters. */
function refused(result: RunResult, exit: number, code: string, says: RegExp): void {
  const error = exitErrorOf(result)
  const told = `holdfast ${result.args.join(' ')}: ${JSON.stringify(error)}`
  assert.equal(result.code, exit, told)
  assert.equal(error.code, exit, told)
  assert.equal(error.hf_code, code, told)
  assert.match(`${error.message} ${error.next ?? ''}`, says, told)
}

describe('bad input on the command line', function () {
  this.timeout(60_000)
  const world = new World('bad-words')
  after(() => world.close())

  it('an unknown command suggests the near one', async () => {
    refused(await holdfast(['statsu', '--json']), 2, 'HF_BAD_INPUT', /statsu.*status/s)
  })

  it('an unknown flag suggests the near one', async () => {
    refused(await holdfast(['status', '--jsno', '--json']), 2, 'HF_BAD_INPUT', /--jsno.*--json/s)
  })

  it('without --json the error says what happened and what to run next, on standard error only', async () => {
    const home = world.path('nothing-here')
    const result = await holdfast(['status', '--home', home])
    assert.equal(result.code, 10)
    assert.equal(result.stdout, '')
    assert.ok(result.stderr.includes(home), result.stderr)
    assert.match(result.stderr, /holdfast init/)
  })
})

describe('bad homes', function () {
  this.timeout(120_000)
  const world = new World('bad-homes')
  const node = world.node('a')
  after(() => world.close())
  before(() => node.init())

  it('a directory that is no home: exit 10', async () => {
    const empty = world.path('empty')
    mkdirSync(empty)
    for (const command of ['up', 'status']) {
      refused(
        await holdfast([command, '--home', empty, '--json']),
        10,
        'HF_HOME_MISSING',
        /no node|not a node|there is no/i,
      )
    }
  })

  it('a home that is a node already is not made anew', async () => {
    const before = manifestOf(node.home)
    refused(await node.run(['init', '--json']), 1, 'HF_HOME_EXISTS', /already/)
    assertSameTree(before, manifestOf(node.home))
  })

  it('a node that does not run: exit 11', async () => {
    refused(await node.run(['status', '--json']), 11, 'HF_NOT_RUNNING', /not running/)
  })

  it('a home in use: exit 11, and the running node goes on', async () => {
    await node.up()
    refused(await node.run(['up', '--json']), 11, 'HF_HOME_IN_USE', /process/)
    await node.ok('status')
    assert.equal(await node.down(), 0)
  })

  it('a home copied from elsewhere is not opened', async () => {
    const copy = world.path('copy')
    cpSync(node.home, copy, { recursive: true })
    refused(await holdfast(['up', '--home', copy, '--json']), 23, 'HF_HOME_COPIED', /copied/)
  })

  it('a home of a newer format is not touched', async () => {
    const format = `${node.home}/format`
    const text = readFileSync(format, 'utf8')
    writeFileSync(format, text.replace(/\d+/, '99'))
    const before = manifestOf(node.home)
    refused(await node.run(['up', '--json']), 1, 'HF_HOME_NEWER', /newer/)
    assertSameTree(before, manifestOf(node.home))
    writeFileSync(format, text)
  })

  it('a wrong passphrase: exit 12, nothing touched; the right one opens it', async () => {
    const [right, wrong] = [world.path('right'), world.path('wrong')]
    writeFileSync(right, 'correct horse\n')
    writeFileSync(wrong, 'incorrect horse\n')
    const sealed = world.node('sealed')
    await sealed.init('--passphrase-file', right)
    const withoutLock = (): ReturnType<typeof manifestOf> => {
      const tree = new Map(manifestOf(sealed.home))
      tree.delete('lock')
      return tree
    }
    const before = withoutLock()
    refused(await sealed.run(['up', '--passphrase-file', wrong, '--json']), 12, 'HF_WRONG_KEY', /passphrase|key/)
    assertSameTree(before, withoutLock())
    await sealed.up('--passphrase-file', right)
    assert.equal(await sealed.down(), 0)
  })

  it('more than one drive is refused', async () => {
    const home = world.path('two-drives')
    const result = await holdfast([
      'init',
      '--home',
      home,
      '--drive',
      world.path('d1'),
      '--drive',
      world.path('d2'),
      '--json',
    ])
    refused(result, 2, 'HF_BAD_INPUT', /one .*drive|drive.* one/i)
  })

  it('an unknown key of the configuration suggests the near one', async () => {
    const config = `${node.home}/config.toml`
    const text = readFileSync(config, 'utf8')
    writeFileSync(config, `lisen = "127.0.0.1:0"\n${text}`)
    refused(await node.run(['up', '--json']), 2, 'HF_CONFIG_INVALID', /lisen.*listen/s)
    writeFileSync(config, 'this is = = no toml\n')
    refused(await node.run(['up', '--json']), 2, 'HF_CONFIG_INVALID', /config\.toml/)
    writeFileSync(config, text)
    await node.up()
    assert.equal(await node.down(), 0)
  })

  it('a port that is taken is named, and the node does not start', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    refused(
      await node.run(['up', '--listen', `127.0.0.1:${port}`, '--json']),
      11,
      'HF_PORT_TAKEN',
      new RegExp(`${port}`),
    )
    await new Promise((resolve) => server.close(resolve))
    await node.up()
    assert.equal(await node.down(), 0)
  })

  it('a read-only home: nothing is changed', async function () {
    const reason = mountsImpossible()
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`)
      this.skip()
    }
    const before = manifestOf(node.home)
    const readOnly = `mount --bind "${node.home}" "${node.home}"; mount -o remount,ro,bind "${node.home}"`
    const command = inNamespace(readOnly, [process.execPath, HOLDFAST, 'up', '--home', node.home, '--json'])
    const started = start(command[0] ?? '', command.slice(1))
    const { code } = await started.ended
    refused(
      { args: ['up'], code: code ?? -1, stdout: '', stderr: started.stderr() },
      1,
      'HF_HOME_READ_ONLY',
      /read-only|written/,
    )
    assertSameTree(before, manifestOf(node.home))
  })
})

describe('bad directories, paths, times and destinations', function () {
  this.timeout(120_000)
  const world = new World('bad-paths')
  const data = world.path('data')
  let node: TestNode
  after(() => world.close())
  before(async () => {
    mkdirSync(`${data}/sub`, { recursive: true })
    writeFileSync(`${data}/file`, 'content\n')
    writeFileSync(`${data}/large`, Buffer.alloc(3_000_000, 'not so small '))
    ;[node] = (await world.mesh('a')) as [TestNode]
    await node.ok('protect', data)
    await node.ok('flush')
  })
  afterEach('nothing was lost', async () => {
    assert.equal((await node.ok('cat', 'data:file')).stdout, 'content\n')
  })

  it('protect refuses what cannot be a volume', async () => {
    const file = world.path('plain-file')
    writeFileSync(file, '')
    const around = world.path('homes')
    const link = world.path('link-into-data')
    symlinkSync(`${data}/sub`, link)
    for (const [directory, says] of [
      [world.path('absent'), /no such|does not exist|missing/i],
      [file, /not a directory/i],
      [node.home, /home/],
      [`${node.home}/packs`, /home|no such|does not exist/i],
      [around, /home/],
      [`${data}/sub`, /inside .*data|volume/i],
      [link, /inside .*data|volume/i],
      [world.directory, /home|volume/],
    ] as const) {
      refused(await node.run(['protect', directory, '--name', 'other', '--json']), 2, 'HF_BAD_INPUT', says)
    }
    refused(await node.run(['protect', data, '--json']), 1, 'HF_ALREADY_EXISTS', /already/)
    assert.equal((await node.json<{ volumes: unknown[] }>('status')).volumes.length, 1)
  })

  it('a time that cannot be read', async () => {
    for (const at of ['yesterdayish', '2026-13-45T00:00:00Z', '10 parsecs ago', '']) {
      refused(await node.run(['cat', 'data:file', '--at', at, '--json']), 2, 'HF_BAD_INPUT', /time/)
    }
  })

  it('a volume or a path that is not there, with the near name', async () => {
    refused(await node.run(['ls', 'dtaa', '--json']), 1, 'HF_NOT_FOUND', /dtaa/)
    refused(await node.run(['cat', 'data:fiel', '--json']), 1, 'HF_NOT_FOUND', /fiel/)
    refused(
      await node.run(['restore', 'data:nothing', '--to', world.path('r0'), '--json']),
      1,
      'HF_NOT_FOUND',
      /nothing/,
    )
    refused(await node.run(['cat', 'data:../escape', '--json']), 2, 'HF_BAD_INPUT', /\.\./)
  })

  it('a destination that is not empty stays as it is', async () => {
    const to = world.path('full-of-things')
    mkdirSync(to)
    writeFileSync(`${to}/mine`, 'mine')
    refused(await node.run(['restore', 'data', '--to', to, '--json']), 1, 'HF_CONFLICT', /holds other things/)
    assert.deepEqual([...manifestOf(to).keys()], ['mine'])
  })

  it('a destination that cannot be written', async () => {
    const file = world.path('in-the-way')
    writeFileSync(file, 'mine')
    for (const to of [file, `${file}/below`]) {
      refused(
        await node.run(['restore', 'data', '--to', to, '--json']),
        1,
        'HF_CONFLICT',
        /in-the-way.* is not a directory/,
      )
    }
    refused(
      await node.run(['restore', 'data', '--to', '/proc/restored', '--json']),
      1,
      'HF_DESTINATION',
      /\/proc\/restored/,
    )
    assert.equal(readFileSync(file, 'utf8'), 'mine')
  })

  it('a destination that is full, or read-only: said so, and done once there is room', async function () {
    const reason = mountsImpossible()
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`)
      this.skip()
    }
    const [full, readOnly] = [world.path('full'), world.path('read-only')]
    mkdirSync(full)
    mkdirSync(readOnly)
    await node.down()
    await node.upAfter(`mount -t tmpfs -o size=1m none "${full}"; mount -t tmpfs -o ro none "${readOnly}"`)
    refused(await node.run(['restore', 'data', '--to', full, '--json']), 1, 'HF_DESTINATION', /space|room|full/i)
    refused(await node.run(['restore', 'data', '--to', readOnly, '--json']), 1, 'HF_DESTINATION', /read-only/i)
    await node.down()
    await node.up()
    await node.ok('restore', 'data', '--to', full)
    assertSameTree(manifestOf(data), manifestOf(full))
  })
})
