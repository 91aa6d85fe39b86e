/** `npm run soak -- [--minutes 10] [--seed TEXT] [--directory DIR]`: random kills under random writes; exit 1 if anything that was
 *  acknowledged is lost, a root of trust is not whole, or a node does not stop growing. With `--directory` a soak that was stopped goes
 *  on to its minutes, and everything is kept. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { tableOf } from './judgement.ts'
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
const { losses, distrust, judgement, ...counts } = result
console.log(JSON.stringify(counts))
console.log(tableOf(judgement))
const findings = [...losses.map(({ what }) => `LOST: ${what}`), ...distrust, ...judgement.findings]
for (const finding of findings) console.error(finding)
if (findings.length > 0) {
  console.error(`everything is kept in ${directory}`)
  process.exitCode = 1
} else if (values.directory === undefined) rmSync(directory, { recursive: true })
