import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../src/holdfast.ts'

/** Source files of everything that ships, by path in the repository. */
function sources(): Map<string, string> {
  const files = new Map<string, string>()
  const packages = readdirSync(join(REPOSITORY, 'packages')).map((name) => `packages/${name}`)
  for (const folder of [...packages, 'node', 'cli']) {
    const source = join(REPOSITORY, folder, 'src')
    for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.ts')) files.set(`${folder}/src/${name}`, readFileSync(join(source, name), 'utf8'))
    }
  }
  return files
}

const documentNamed = (name: string): string => readFileSync(join(REPOSITORY, 'docs', name), 'utf8')

describe('documents that promise to be complete', () => {
  const files = sources()
  const ships = [...files].filter(([path]) => !/^packages\/(doubles|contracts)\//.test(path))

  it('limits.md lists every bound that is exported', () => {
    const text = documentNamed('limits.md')
    const missing: string[] = []
    for (const [path, source] of ships) {
      for (const [, name] of source.matchAll(/^export const ([A-Z0-9_]*_(?:MAX|MIN)) =/gm)) {
        if (name !== undefined && !text.includes(name)) missing.push(`${name} in ${path}`)
      }
    }
    assert.deepEqual(missing, [])
  })

  it('limits.md names no bound that is not there', () => {
    const gone: string[] = []
    for (const row of documentNamed('limits.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))) {
      const cells = row.split('|').map((cell) => cell.trim())
      const source = files.get((cells[4] ?? '').replaceAll('`', ''))
      if (source === undefined) gone.push(`the file ${cells[4] ?? ''}`)
      for (const [, name] of (cells[1] ?? '').matchAll(/`([A-Z0-9_]+)`/g)) {
        if (source !== undefined && name !== undefined && !name.startsWith('_') && !source.includes(name))
          gone.push(name)
      }
    }
    assert.deepEqual(gone, [])
  })

  it('formats.md has every label that is hashed or signed, and every protocol', () => {
    const text = documentNamed('formats.md')
    const missing: string[] = []
    for (const [path, source] of ships) {
      for (const [, label] of source.matchAll(/'(\/?holdfast(?: [a-z0-9 ]+|\/[a-z0-9/-]+))'/g)) {
        if (label !== undefined && /\d$|key file$|volume |checksum$/.test(label) && !text.includes(label)) {
          missing.push(`${label} in ${path}`)
        }
      }
    }
    assert.deepEqual(missing, [])
  })

  it('no document has a link into nothing', () => {
    const broken: string[] = []
    for (const file of [
      'README.md',
      'CONTRIBUTING.md',
      ...readdirSync(join(REPOSITORY, 'docs')).map((name) => `docs/${name}`),
    ]) {
      const text = readFileSync(join(REPOSITORY, file), 'utf8')
      for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
        const names = readdirSync(join(REPOSITORY, file, '..', target ?? '', '..'))
        if (!names.includes((target ?? '').split('/').at(-1) ?? '')) broken.push(`${target ?? ''} in ${file}`)
      }
    }
    assert.deepEqual(broken, [])
  })
})
