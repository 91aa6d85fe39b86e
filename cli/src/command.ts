import { InvalidArgumentError, type Command } from 'commander'
import { HoldfastError } from '@holdfast/ports'
import type { GlobalOptions, Run } from './io.ts'
import { parseDuration } from './text/times.ts'

/** Adds one command to the program, or to the command it belongs to. */
export type Define = (parent: Command, start: Start) => void

/** What a command's action hands over once its arguments are parsed: what to run, with its own options. */
export type Start = <Options extends GlobalOptions>(
  run: Run<Options>,
  options: Omit<Options, keyof GlobalOptions>,
) => void

/** A parser of option values for commander, which names the option in its message. */
export function parsed<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error
      throw new InvalidArgumentError(error.next === undefined ? error.message : `${error.message}; ${error.next}`)
    }
  }
}

export const durationValue = parsed(parseDuration)

/** A whole number from `min` to `max`. */
export const integerValue = (min: number, max: number): ((text: string) => number) =>
  parsed((text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new HoldfastError('HF_BAD_INPUT', `must be a whole number from ${min} to ${max}`)
  })

/** Collects the values of an option that may be given several times. */
export const collected = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

/** The members that are there; absent ones are left out rather than undefined. */
export function given<Values extends object>(
  values: Values,
): { [Key in keyof Values]?: Exclude<Values[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Values]?: Exclude<Values[Key], undefined>
  }
}
