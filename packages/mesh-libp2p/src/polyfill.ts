/** libp2p and its muxer call Promise.withResolvers, which Node has from 22 on; without it the first dial dies as a reset
 *  connection. This module is imported before any of theirs. */
interface Resolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (reason?: unknown) => void
}

function withResolvers<T>(this: PromiseConstructor): Resolvers<T> {
  let settlers: Omit<Resolvers<T>, 'promise'> | undefined
  const promise = new this<T>((resolve, reject) => (settlers = { resolve, reject }))
  if (!settlers) throw new TypeError('not a promise constructor')
  return { promise, ...settlers }
}

if (!('withResolvers' in Promise)) {
  Object.defineProperty(Promise, 'withResolvers', { value: withResolvers, configurable: true, writable: true })
}
