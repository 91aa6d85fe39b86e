import { runCommandLine } from './command-line.ts'
import { runProcess } from './run-process.ts'
import { programVersion } from './version.ts'

/** `holdfast`, as a process. */
export const main = (): Promise<never> =>
  runProcess((signal, io) => runCommandLine(process.argv.slice(2), signal, io, programVersion()))
