import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, CommanderError } from 'commander'
import { HoldfastError } from '@holdfast/ports'
import type { Define, Start } from './command.ts'
import { defineCat } from './commands/cat.ts'
import { defineCharter } from './commands/charter.ts'
import { defineCompletion } from './commands/completion.ts'
import { defineConfig } from './commands/config.ts'
import { defineDiff } from './commands/diff.ts'
import { defineFind } from './commands/find.ts'
import { defineFlush } from './commands/flush.ts'
import { defineInit } from './commands/init.ts'
import { defineInvite } from './commands/invite.ts'
import { defineJoin } from './commands/join.ts'
import { defineLog } from './commands/log.ts'
import { defineLs } from './commands/ls.ts'
import { defineMember } from './commands/member.ts'
import { defineNode } from './commands/node.ts'
import { definePeers } from './commands/peers.ts'
import { defineProtect } from './commands/protect.ts'
import { defineRepair } from './commands/repair.ts'
import { defineRestore } from './commands/restore.ts'
import { defineStatus } from './commands/status.ts'
import { defineUnprotect } from './commands/unprotect.ts'
import { defineUp } from './commands/up.ts'
import { defineVerify } from './commands/verify.ts'
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts'
import { ClosedOutputError, type GlobalOptions, type Io } from './io.ts'
import { report } from './report.ts'

/** In the order of the help. */
const COMMANDS: readonly Define[] = [
  defineInit,
  defineUp,
  defineInvite,
  defineJoin,
  defineProtect,
  defineUnprotect,
  defineFlush,
  defineStatus,
  defineLs,
  defineLog,
  defineFind,
  defineDiff,
  defineCat,
  defineRestore,
  defineVerify,
  defineRepair,
  definePeers,
  defineNode,
  defineMember,
  defineCharter,
  defineConfig,
  defineCompletion,
]

/** Parses, runs, reports: everything between the arguments (without program and script) and the exit code. Does not throw. */
export async function runCommandLine(
  argv: readonly string[],
  signal: AbortSignal,
  io: Io,
  version: string,
): Promise<number> {
  let json = argv.includes('--json')
  let verbose = argv.includes('-v') || argv.includes('--verbose')
  try {
    const parsed = parse(argv, io, version)
    if (typeof parsed === 'string') {
      await io.stdout.write(parsed)
      return EXIT.done
    }
    json = parsed.options.json
    verbose = parsed.options.verbose
    return await parsed.run(signal)
  } catch (error) {
    if (error instanceof ClosedOutputError) return EXIT.done
    return report(error, { json, verbose }, signal, io)
  }
}

interface Parsed {
  readonly options: GlobalOptions
  run(signal: AbortSignal): Promise<number>
}

/** What to run; or text that was asked for, help or version. @throws HF_BAD_INPUT */
function parse(argv: readonly string[], io: Io, version: string): Parsed | string {
  let chosen: Parsed | undefined
  let text = ''
  const program = new Command('holdfast')
  const start: Start = (run, own) => {
    const options = globalOptions(program.opts<GlobalFlags>(), io)
    // The two halves make the whole; TypeScript cannot know that of a generic type.
    chosen = { options, run: (signal) => run(signal, { ...options, ...own } as Parameters<typeof run>[1], io) }
  }
  program
    .description(
      'Keeps every change of protected directories, here and on servers elsewhere, and gives any version back.',
    )
    .version(version, '-V, --version', 'print the version')
    .option('--home <DIR>', 'home of the node (default: $HOLDFAST_HOME, or ~/.holdfast)')
    .option('--yes', 'do what would be asked for')
    .option('--json', 'results as JSON: one document, or for long work a line per event')
    .option('-q, --quiet', 'results and errors only')
    .option('-v, --verbose', 'say more')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [COMMAND]', 'print help of a command')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'afterAll',
      `\nExit codes:\n${EXIT_MEANINGS.map(([code, meaning]) => `  ${code}`.padEnd(7) + meaning).join('\n')}\n`,
    )
  for (const define of COMMANDS) define(program, start)
  for (const command of commandsUnder(program)) {
    command.exitOverride().configureOutput({
      writeOut: (part) => (text += part),
      writeErr: (part) => (text += part),
      outputError: () => {},
    })
  }
  try {
    program.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return text
    throw asMisuse(error, text)
  }
  return chosen ?? text
}

const commandsUnder = (command: Command): Command[] => [command, ...command.commands.flatMap(commandsUnder)]

interface GlobalFlags {
  readonly home?: string
  readonly yes?: true
  readonly json?: true
  readonly quiet?: true
  readonly verbose?: true
}

function globalOptions(flags: GlobalFlags, io: Io): GlobalOptions {
  const given = flags.home ?? io.environment['HOLDFAST_HOME']
  const home = given === undefined || given === '' ? join(homedir(), '.holdfast') : resolve(io.workingDirectory, given)
  return {
    home,
    yes: flags.yes ?? false,
    json: flags.json ?? false,
    quiet: flags.quiet ?? false,
    verbose: flags.verbose ?? false,
  }
}

/** Commander's `error: unknown command 'stauts'\n(Did you mean status?)` in our form; a group without its command shows its help. */
function asMisuse(error: CommanderError, help: string): HoldfastError {
  if (error.code === 'commander.help')
    return new HoldfastError('HF_BAD_INPUT', `a command is missing\n\n${help.trim()}`, { cause: error })
  const [first = '', hint = ''] = error.message.replace(/^error: /, '').split('\n')
  const near = hint === '' ? '' : ` ${hint.replace('Did', 'did')}`
  return new HoldfastError('HF_BAD_INPUT', `${first}${near}`, {
    cause: error,
    next: 'holdfast help lists the commands, holdfast help COMMAND its flags',
  })
}
