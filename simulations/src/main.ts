/** `npm run simulate -- [SCENARIO] [--seed N] [--seeds COUNT] [--minutes N] [--members N]`: runs each seed twice and compares. */
import { parseArgs } from 'node:util'
import { SCENARIOS } from './scenario/options.ts'
import { runScenario } from './scenario/run.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    members: { type: 'string' },
  },
})

const names = positionals.length > 0 ? positionals : Object.keys(SCENARIOS)
let failed = 0
for (const name of names) {
  const scenario = SCENARIOS[name]
  if (scenario === undefined) {
    process.stderr.write(`there is no scenario ${name}; there are ${Object.keys(SCENARIOS).join(', ')}\n`)
    process.exit(2)
  }
  const options = {
    ...scenario,
    ...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
    ...(values.members === undefined ? {} : { members: Number(values.members) }),
  }
  for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed++) {
    const result = await runScenario(options, seed)
    const again = await runScenario(options, seed)
    const isSame = again.traceHash === result.traceHash
    const isGood = result.broken === undefined && isSame
    if (!isGood) failed++
    process.stdout.write(
      `${isGood ? 'ok    ' : 'FAILED'} ${name} seed ${seed} trace ${result.traceHash} ${JSON.stringify(result)}\n`,
    )
    if (!isSame)
      process.stdout.write(`       a second run has the trace ${again.traceHash}: it is not a function of the seed\n`)
    if (!isGood) process.stdout.write(`       options ${JSON.stringify(options)}\n`)
  }
}
process.exit(failed === 0 ? 0 : 1)
