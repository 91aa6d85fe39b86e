/** Restores into a file system of 2 MiB, its only argument, and then with room for all: run by `destination.spec.ts`. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rejectsWith } from './expect.ts'
import { leftovers, noise, Version } from './fixture.ts'

const [, , to = ''] = process.argv
const version = new Version()
for (let index = 0; index < 12; index++) version.file(`f${index}`, noise(`f${index}`, 400_000)).close()
// Chunks come slowly: the failure of one is there while the next are still on their way.
version.before = () => new Promise((resolve) => setTimeout(resolve, 20 * Math.min(version.asked.length, 5)))
const error = await rejectsWith('HF_DESTINATION', version.restore(to))
assert.match(error.message, /there is no room/)
execFileSync('mount', ['-o', 'remount,size=20m', to])
const report = await version.restore(to, { verify: true })
assert.equal(report.resumed, true)
assert.deepEqual(leftovers(to), [])
console.log(`full ${error.code} there is no room; then resumed, ${report.files + report.skipped} files`)
