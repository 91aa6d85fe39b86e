import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { hasCode } from '@holdfast/ports'
import { configValues, readConfig, renderConfig } from '../../src/config/index.ts'
import { temporary } from '../home/fixture.ts'

const refused =
  (message: RegExp, next?: RegExp) =>
  (error: unknown): boolean =>
    hasCode(error, 'HF_CONFIG_INVALID') &&
    message.test(error.message) &&
    (next === undefined || next.test(error.next ?? ''))

describe('config.toml', () => {
  let home: string
  let remove: () => void
  beforeEach(() => {
    ;({ directory: home, remove } = temporary())
  })
  afterEach(() => remove())

  const write = (text: string): void => fs.writeFileSync(path.join(home, 'config.toml'), text)
  it('without a file every value is its default', () => {
    const { config, origins } = readConfig(home, {})
    assert.equal(config.listen, '0.0.0.0:4747')
    assert.equal(config.announce, undefined)
    assert.deepEqual([...new Set(Object.values(origins))], ['default'])
  })

  it('flags go before environment, environment before file, file before default; each value names its origin', () => {
    write('listen = "127.0.0.1:1"\nannounce = "a.example:1"\nworkers = 1\n')
    const environment = { HOLDFAST_LISTEN: '127.0.0.1:2', HOLDFAST_WORKERS: '2' }
    const effective = readConfig(home, environment, { listen: '127.0.0.1:3' })
    assert.deepEqual(
      [effective.config.listen, effective.config.workers, effective.config.announce],
      ['127.0.0.1:3', 2, 'a.example:1'],
    )
    const shown = Object.fromEntries(configValues(effective).map(({ key, origin }) => [key, origin]))
    assert.deepEqual(shown, { announce: 'file', listen: 'flag', log_level: 'default', workers: 'environment' })
  })

  it('what init writes is read back', () => {
    write(renderConfig({ listen: '127.0.0.1:4748', announce: 'node.example:4747' }))
    const { config } = readConfig(home, {})
    assert.deepEqual([config.listen, config.announce], ['127.0.0.1:4748', 'node.example:4747'])
  })

  it('an unknown key is refused with the nearest known one', () => {
    write('lisen = "127.0.0.1:1"\n')
    assert.throws(() => readConfig(home, {}), refused(/unknown key lisen/, /did you mean listen\?/))
    write('anounce = "a:1"\n')
    assert.throws(() => readConfig(home, {}), refused(/unknown key anounce/, /did you mean announce\?/))
    write('something_else_entirely = 1\n')
    assert.throws(() => readConfig(home, {}), refused(/unknown key/, /known keys: announce, listen/))
    write('[limits]\nmemory = 1\n')
    assert.throws(() => readConfig(home, {}), refused(/unknown key limits/))
  })

  it('a value of another type or range is refused with its key and place', () => {
    const cases: [string, RegExp][] = [
      ['listen = 4747', /^listen .*config\.toml/],
      ['listen = "4747"', /HOST:PORT/],
      ['listen = "127.0.0.1:70000"', /65535/],
      ['announce = ""', /^announce/],
      ['announce = "a.example:0"', /^announce .*port/],
      ['workers = -1', /^workers/],
      ['workers = 1.5', /^workers/],
      ['workers = "two"', /^workers/],
      ['log_level = "loud"', /^log_level/],
    ]
    for (const [text, message] of cases) {
      write(text)
      assert.throws(() => readConfig(home, {}), refused(message), text)
    }
    write('workers = -1')
    assert.throws(() => readConfig(home, {}), refused(/^workers/, /^mend workers in .*config\.toml/))
    write('')
    const environment = { HOLDFAST_WORKERS: 'two' }
    assert.throws(() => readConfig(home, environment), refused(/HOLDFAST_WORKERS/, /^mend HOLDFAST_WORKERS/))
    assert.throws(() => readConfig(home, {}, { listen: 'x' }), refused(/^listen/, /^mend --listen/))
  })

  it('addresses of all kinds are taken', () => {
    for (const listen of ['0.0.0.0:0', '[::]:4747', 'node-1.example:65535']) {
      write(`listen = "${listen}"`)
      assert.equal(readConfig(home, {}).config.listen, listen)
    }
  })

  it('text that is not TOML, or far too long, is refused', () => {
    write('listen = ')
    assert.throws(() => readConfig(home, {}), refused(/is not TOML/, /mend/))
    write(`# ${'x'.repeat(300_000)}`)
    assert.throws(() => readConfig(home, {}), refused(/too large/))
  })

  it('a file that cannot be read is refused', () => {
    fs.mkdirSync(path.join(home, 'config.toml'))
    assert.throws(() => readConfig(home, {}), refused(/cannot be read/))
  })

  it('an empty environment variable is as good as none', () => {
    assert.equal(readConfig(home, { HOLDFAST_LISTEN: '' }).origins['listen'], 'default')
  })
})
