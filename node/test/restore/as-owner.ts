/** Restores in place as somebody who is not the superuser, into directories that allow no writing: run by `destination.spec.ts`. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { treeOf, Version } from './fixture.ts'

const [, , to = ''] = process.argv
const NOBODY = 65_534
if (process.getuid?.() === 0) {
  process.setgroups?.([])
  process.setgid?.(NOBODY)
  process.setuid?.(NOBODY)
}
const version = new Version()
  .directory('d', { mode: 0o555 })
  .file('d/f', 'content')
  .file('d/attributes', 'x', { mode: 0o444, xattrs: [{ name: Buffer.from('user.a'), value: Buffer.from('a') }] })
  .file('d/trusted', 'x', { uid: 1, xattrs: [{ name: Buffer.from('trusted.a'), value: Buffer.from('a') }] })
  .directory('d/e', { mode: 0o500 })
  .file('d/e/g', 'g')
const first = await version.restore(to)
assert.equal(first.errorCount, 0)
assert.match(first.warnings.join(), /owners are not restored.*trusted/)
const before = treeOf(to)
fs.chmodSync(`${to}/d/f`, 0o600)
fs.writeFileSync(`${to}/d/f`, 'changed')
const again = await version.restore(to, { inPlace: true })
assert.equal(again.files, 1)
assert.deepEqual(treeOf(to), before)
console.log('restored')
