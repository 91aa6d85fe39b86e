import { hexOf, HoldfastError } from '@holdfast/ports'

/** The one thing that a person's text names: its name, or a prefix of its id in hex (4 digits or more).
 *  @throws HF_NOT_FOUND with the near names, HF_BAD_INPUT if several ids begin so */
export function findByName<T>(
  kind: 'volume' | 'node',
  text: string,
  things: readonly T[],
  nameOf: (thing: T) => string,
  idOf: (thing: T) => Uint8Array,
): T {
  const named = things.find((thing) => nameOf(thing) === text)
  if (named !== undefined) return named
  const prefixed = /^[0-9a-f]{4,}$/.test(text) ? things.filter((thing) => hexOf(idOf(thing)).startsWith(text)) : []
  const [first] = prefixed
  if (prefixed.length === 1 && first !== undefined) return first
  const names = things.map(nameOf).toSorted()
  if (prefixed.length > 1) {
    throw new HoldfastError('HF_BAD_INPUT', `several ${kind}s have an id that begins with ${text}`, {
      next: `give more digits, or the name: ${names.join(', ')}`,
    })
  }
  throw new HoldfastError('HF_NOT_FOUND', `there is no ${kind} ${text} here`, {
    next:
      names.length === 0 ? `there are no ${kind}s yet: holdfast status` : `there are: ${names.slice(0, 20).join(', ')}`,
  })
}
