import { Argument } from 'commander'
import type { Define } from '../command.ts'
import { completionScript, SHELLS, type Shell } from '../completion.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'

export interface CompletionOptions extends GlobalOptions {
  readonly script: string
}

export const defineCompletion: Define = (parent, start) => {
  parent
    .command('completion')
    .description('print a script that completes commands and flags: source <(holdfast completion bash)')
    .addArgument(new Argument('<SHELL>').choices(SHELLS))
    .action((shell: Shell) => start(runCompletion, { script: completionScript(parent, shell) }))
}

export const runCompletion: Run<CompletionOptions> = async (_signal, options, io) => {
  await io.stdout.write(options.script)
  return EXIT.done
}
