/** Scripts that complete commands and flags in a shell. Made from the commands themselves, so that they cannot lag behind. */
import type { Command } from 'commander'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

export function completionScript(program: Command, shell: Shell): string {
  if (shell === 'fish') return fishScript(program)
  const script = bashScript(program)
  return shell === 'bash' ? script : `autoload -Uz bashcompinit && bashcompinit\n${script}`
}

interface Place {
  /** `member add`; empty for the program. */
  readonly path: string
  readonly command: Command
}

const placesUnder = (command: Command, path = ''): Place[] => [
  { path, command },
  ...command.commands.flatMap((child) => placesUnder(child, `${path} ${child.name()}`.trim())),
]

const flagsOf = (command: Command): string[] =>
  command.options
    .filter((option) => !option.hidden)
    .flatMap((option) => [option.short, option.long].filter((flag) => flag !== undefined))

function bashScript(program: Command): string {
  const places = placesUnder(program)
  const common = flagsOf(program)
  const steps = places
    .filter(({ path }) => path !== '')
    .map(({ path, command }) => {
      const parent = path.slice(0, -command.name().length).trimEnd()
      return `      '${parent}/${command.name()}') path='${path}' ;;`
    })
  const words = places.map(({ path, command }) => {
    const names = command.commands.map((child) => child.name())
    return `    '${path}') words='${[...names, ...(path === '' ? [] : flagsOf(command)), ...common, '--help'].join(' ')}' ;;`
  })
  return `_holdfast() {
  local path='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path/\${COMP_WORDS[i]}" in
${steps.join('\n')}
    esac
  done
  case "$path" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _holdfast holdfast
`
}

function fishScript(program: Command): string {
  const lines = placesUnder(program).flatMap(({ path, command }) => {
    const inside = path
      .split(' ')
      .filter(Boolean)
      .map((name) => `__fish_seen_subcommand_from ${name}`)
    const names = command.commands.map((child) => child.name()).join(' ')
    const unless = names === '' ? [] : [`not __fish_seen_subcommand_from ${names}`]
    const commands = command.commands.map(
      (child) =>
        `complete -c holdfast -f${when([...inside, ...unless])} -a ${child.name()} -d ${word(child.description())}`,
    )
    const flags = command.options
      .filter((option) => !option.hidden && option.long !== undefined)
      .map((option) => `complete -c holdfast${when(inside)} -l ${option.long?.slice(2)} -d ${word(option.description)}`)
    return [...commands, ...flags]
  })
  return `${lines.join('\n')}\n`
}

const word = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const when = (conditions: readonly string[]): string =>
  conditions.length === 0 ? '' : ` -n ${word(conditions.join('; and '))}`
