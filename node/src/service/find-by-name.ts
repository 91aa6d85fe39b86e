import { hexOf, HoldfastError } from '@holdfast/ports'

/** The one thing that a person's text names: its name, or a prefix of its id in hex (4 digits or more).
 *  @throws HF_NOT_FOUND with the names there are, HF_BAD_INPUT if several have the name or an id that begins so */
export function findByName<T>(
  kind: 'volume' | 'node',
  text: string,
  things: readonly T[],
  nameOf: (thing: T) => string,
  idOf: (thing: T) => Uint8Array,
): T {
  const named = things.filter((thing) => nameOf(thing) === text)
  const [only] = named
  if (named.length === 1 && only !== undefined) return only
  if (named.length > 1) {
    throw new HoldfastError('HF_BAD_INPUT', `several ${kind}s have the name ${text}`, {
      next: `give the beginning of its id: ${named.map((thing) => hexOf(idOf(thing)).slice(0, 12)).join(', ')}`,
    })
  }
  const digits = text.toLowerCase()
  const prefixed = /^[0-9a-f]{4,}$/.test(digits) ? things.filter((thing) => hexOf(idOf(thing)).startsWith(digits)) : []
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
      names.length > 0
        ? `there are: ${names.slice(0, 20).join(', ')}`
        : kind === 'volume'
          ? 'this node holds no volume yet; one that has just joined is given copies once it reaches the others: holdfast status'
          : `there are no ${kind}s yet: holdfast status`,
  })
}
