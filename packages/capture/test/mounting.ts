/** Run with mounts of its own: what watcher and walker make of real ones. Prints `done`, or fails. */
import { strict as assert } from 'node:assert'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createDirectoryReader, createTreeWalker, openWatcher } from '@holdfast/capture'
import { bytes, text } from './temp.ts'
import { Watched } from './watched.ts'

const root = process.argv[2]
if (root === undefined) throw new TypeError('which directory?')
const at = (path: string): string => join(root, path)
const write = (path: string): void => writeFileSync(at(path), 'x')

mkdirSync(at('sub/loop'), { recursive: true })
mkdirSync(at('drive'))
execFileSync('mount', ['--bind', root, at('sub/loop')])

const found: string[] = []
const walker = createTreeWalker({ root: bytes(root), reader: createDirectoryReader() })
const walk = (): void => {
  const steps = walker.walk(new Uint8Array(0), {
    changed: (path) => void found.push(text(path)),
    vanished: (path) => void found.push(`gone ${text(path)}`),
    problem: (path, errno) => void found.push(`${errno} ${text(path)}`),
  })
  for (let step = steps.next(); ; step = steps.next())
    if (step.done === true) return assert.equal(step.value.type, 'done')
}
walk()
assert.deepEqual(found.toSorted(), ['drive', 'sub', 'sub/loop', 'sub/loop/drive', 'sub/loop/sub', 'sub/loop/sub/loop'])

const seen = new Watched()
const watcher = await openWatcher(seen.options(root))
for (let round = 1; round <= 2; round++) {
  execFileSync('mount', ['-t', 'tmpfs', 'none', at('drive')])
  seen.forget()
  watcher.refresh()
  await seen.until('all announced', () => seen.announced(''))
  seen.forget()
  write('drive/file')
  await seen.until('file on the drive', () => seen.covers('drive/file'))
  execFileSync('umount', [at('drive')])
  await seen.until('the drive left', () => seen.lost.some(({ path }) => path === 'drive'))
  watcher.refresh()
  await seen.until('watched without it', () => seen.watched === 1 + 2 * round)
}
seen.forget()
watcher.refresh()
write('sub/file')
await seen.until('both places', () => seen.covers('sub/file') && seen.covers('sub/loop/sub/file'))
assert.equal(seen.watched, 5)
await watcher.close()
console.log('done')
