import { ClosedOutputError } from '../io.ts'
import { report } from '../report.ts'
import { runProcess } from '../run-process.ts'
import { EXIT } from '../exit-codes.ts'
import { runDemo } from './demo.ts'

/** The demo, as a process. */
export const main = (): Promise<never> =>
  runProcess(async (signal, io) => {
    try {
      return await runDemo(process.argv.slice(2), signal, io)
    } catch (error) {
      if (error instanceof ClosedOutputError) return EXIT.done
      return report(error, { json: false, verbose: false }, signal, io)
    }
  })
