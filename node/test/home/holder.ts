import { openHome } from '../../src/home/index.ts'

/** A process that opens the home given to it and holds it until it is killed. */
const [, , directory = ''] = process.argv
try {
  openHome(directory)
  process.stdout.write('open\n')
  setInterval(() => undefined, 1000)
} catch (error) {
  process.stdout.write(`${error instanceof Error && 'code' in error ? String(error.code) : String(error)}\n`)
}
