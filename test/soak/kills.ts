/** `npm run soak -- [--minutes 10] [--seed TEXT] [--directory DIR]`: random kills under random writes; exit 1 if anything that was
 *  acknowledged is lost. With `--directory` a soak that was stopped goes on, and everything is kept. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { soak } from './kill-soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now()) },
    directory: { type: 'string' },
  },
})
const seconds = Number(values.minutes) * 60
if (!(seconds > 0)) {
  console.error(`--minutes takes a number above 0, not ${values.minutes}`)
  process.exit(2)
}
const directory = values.directory ?? mkdtempSync(join(tmpdir(), 'holdfast-soak-'))
const result = await soak({ directory, seconds, seed: values.seed, tell: (line) => console.error(line) })
const { losses, ...counts } = result
console.log(JSON.stringify(counts))
for (const { what } of losses) console.error(`LOST: ${what}`)
if (losses.length > 0) {
  console.error(`everything is kept in ${directory}`)
  process.exitCode = 1
} else if (values.directory === undefined) rmSync(directory, { recursive: true })
