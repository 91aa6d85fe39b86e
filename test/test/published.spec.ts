import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../src/holdfast.ts'

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, string>>
}

interface Packed {
  readonly name: string
  readonly files: readonly { readonly path: string }[]
}

const folders = [...readdirSync(join(REPOSITORY, 'packages')).map((name) => `packages/${name}`), 'node', 'cli']
const manifests = folders.map(
  (folder) => JSON.parse(readFileSync(join(REPOSITORY, folder, 'package.json'), 'utf8')) as Manifest,
)
const published = manifests.filter((manifest) => manifest.private !== true)

describe('published packages', () => {
  const packed = new Map<string, readonly string[]>()

  before(() => {
    const wanted = published.flatMap((manifest) => ['--workspace', manifest.name])
    const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', ...wanted], {
      cwd: REPOSITORY,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    for (const { name, files } of JSON.parse(output) as readonly Packed[]) {
      packed.set(
        name,
        files.map(({ path }) => path),
      )
    }
  })

  it('are all but the suites and the doubles', () => {
    const kept = manifests.filter((manifest) => manifest.private === true).map(({ name }) => name)
    assert.deepEqual(kept.sort(), ['@holdfast/contracts', '@holdfast/doubles'])
  })

  it('depend on nothing that is not published', () => {
    const names = new Set(published.map(({ name }) => name))
    for (const { name, dependencies = {} } of published) {
      const missing = Object.keys(dependencies).filter((other) => other.startsWith('@holdfast/') && !names.has(other))
      assert.deepEqual(missing, [], name)
    }
  })

  it('contain what they export and run', () => {
    for (const { name, bin = {}, exports = {} } of published) {
      const files = new Set(packed.get(name))
      for (const target of [...Object.values(bin), ...Object.values(exports)]) {
        assert.ok(files.has(target.replace('./', '')), `${name} lacks ${target}`)
      }
    }
    assert.ok(packed.get('@holdfast/chunker')?.includes('dist/chunker.wasm'))
  })

  it('contain no tests, no sources and no maps', () => {
    for (const [name, files] of packed) {
      const needed =
        /^(README\.md|LICENSE|package\.json|bin\/holdfast\.js|dist\/chunker\.wasm|dist\/src\/.*\.(js|d\.ts))$/
      assert.deepEqual(
        files.filter((path) => !needed.test(path)),
        [],
        name,
      )
    }
  })
})
