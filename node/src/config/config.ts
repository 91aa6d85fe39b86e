import fs from 'node:fs'
import path from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import { parse, stringify } from 'smol-toml'
import type { ConfigValue } from '../api/mesh-messages.ts'
import { CONFIG_KEYS, configSchema, environmentName, type Config } from './schema.ts'

export type Origin = ConfigValue['origin']

export interface EffectiveConfig {
  readonly config: Config
  readonly origins: Readonly<Record<string, Origin>>
}

/** Largest `config.toml`. */
const CONFIG_BYTES_MAX = 256 * 1024

/** Reads the configuration of a home: flags before environment before file before default.
 *  @throws HF_CONFIG_INVALID naming the key and, for an unknown one, the nearest known */
export function readConfig(
  home: string,
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, unknown>> = {},
): EffectiveConfig {
  const file = path.join(home, 'config.toml')
  const fromFile = parseFile(file)
  const values: Record<string, unknown> = {}
  const origins: Record<string, Origin> = {}
  for (const key of Object.keys(fromFile)) if (!CONFIG_KEYS.includes(key)) throw unknownKey(file, key)
  for (const key of CONFIG_KEYS) {
    const fromEnvironment = environment[environmentName(key)]
    const candidates: readonly (readonly [Origin, unknown])[] = [
      ['flag', flags[key]],
      ['environment', fromEnvironment === undefined || fromEnvironment === '' ? undefined : typed(fromEnvironment)],
      ['file', fromFile[key]],
    ]
    const given = candidates.find(([, value]) => value !== undefined)
    origins[key] = given?.[0] ?? 'default'
    if (given !== undefined) values[key] = given[1]
  }
  const parsed = configSchema.safeParse(values)
  if (parsed.success) return { config: parsed.data, origins }
  const issue = parsed.error.issues[0]
  const key = issue?.path.join('.') ?? ''
  throw new HoldfastError(
    'HF_CONFIG_INVALID',
    `${key} ${originText(file, origins[key], key)}: ${issue?.message ?? 'is malformed'}; the node did not start`,
    {
      next: `mend ${placeOf(file, origins[key], key)}; without it the default holds`,
    },
  )
}

/** Every key with its value and where that comes from. */
export function configValues({ config, origins }: EffectiveConfig): ConfigValue[] {
  const values: Readonly<Record<string, unknown>> = config
  return CONFIG_KEYS.map((key) => {
    const value = values[key]
    const shown = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
    return { key, value: shown, origin: origins[key] ?? 'default' }
  })
}

/** The text of a new node's `config.toml`. */
export function renderConfig(settings: Partial<Config>): string {
  const comment = '# Holdfast: what this node may tune for itself. Unknown keys are errors.\n'
  return `${comment}${stringify(settings)}\n`
}

function parseFile(file: string): Record<string, unknown> {
  let text: string
  try {
    if (fs.statSync(file).size > CONFIG_BYTES_MAX)
      throw new HoldfastError('HF_CONFIG_INVALID', `${file} is too large to be a configuration`)
    text = fs.readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {}
    if (cause instanceof HoldfastError) throw cause
    throw new HoldfastError('HF_CONFIG_INVALID', `${file} cannot be read`, { cause })
  }
  try {
    return parse(text)
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : ''
    throw new HoldfastError('HF_CONFIG_INVALID', `${file} is not TOML: ${reason}; the node did not start`, {
      cause,
      next: `mend ${file}, or move it away for the defaults`,
    })
  }
}

/** Environment variables are text: a whole number or a truth value is taken as one. */
function typed(text: string): unknown {
  if (/^\d+$/.test(text)) return Number(text)
  return text === 'true' ? true : text === 'false' ? false : text
}

const placeOf = (file: string, origin: Origin | undefined, key: string): string =>
  origin === 'environment' ? environmentName(key) : origin === 'flag' ? `--${key}` : `${key} in ${file}`

const originText = (file: string, origin: Origin | undefined, key: string): string =>
  origin === 'environment' ? `(${environmentName(key)})` : origin === 'file' ? `(${file})` : ''

function unknownKey(file: string, key: string): HoldfastError {
  const near = nearest(key, CONFIG_KEYS)
  return new HoldfastError('HF_CONFIG_INVALID', `${file} has an unknown key ${key}; the node did not start`, {
    next: near === undefined ? `known keys: ${CONFIG_KEYS.join(', ')}` : `did you mean ${near}?`,
  })
}

/** The word at the smallest edit distance, if that is at most a third of its length. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const [best] = words
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .toSorted((a, b) => a.distance - b.distance)
  return best !== undefined && best.distance <= Math.max(2, best.candidate.length / 3) ? best.candidate : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substituted))
    }
    row = next
  }
  return row[b.length] ?? 0
}
