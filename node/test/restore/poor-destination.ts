/** Restores to a file system that keeps neither attributes nor access lists: run by `fidelity.spec.ts`. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { ACL_ACCESS } from '@holdfast/capture'
import { treeOf, Version } from './fixture.ts'

const [, , to = ''] = process.argv
const value = Buffer.from('v')
const version = new Version()
  .file('f', 'content', { xattrs: [{ name: Buffer.from('user.a'), value }] })
  .file('g', 'content', { xattrs: [{ name: Buffer.from(ACL_ACCESS), value }] })
const said: string[] = []
const report = await version.restore(to, {
  onWarning(sentence) {
    assert.deepEqual(
      [version.asked, treeOf(to, true).filter((line) => !line.startsWith('.holdfast-restore '))],
      [[], []],
    )
    said.push(sentence)
  },
})
assert.deepEqual(said.map((sentence) => sentence.split(':')[0] ?? '').toSorted(), [
  'access control lists are not restored',
  'extended attributes are not restored',
])
assert.deepEqual(report.warnings, said)
assert.deepEqual([report.files, report.errorCount], [2, 0])
assert.deepEqual(fs.readdirSync(to).toSorted(), ['f', 'g'])
const plain = await new Version().file('h', 'content').restore(`${to}/plain`)
assert.deepEqual(plain.warnings, [])
console.log('said first')
