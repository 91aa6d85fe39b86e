/** Claims of pack numbers from a counter that threads share: one `Int32` that holds the next number. */
export function packNumberClaims(shared: SharedArrayBuffer): () => number {
  const counter = new Int32Array(shared)
  return () => Atomics.add(counter, 0, 1)
}

/** A counter whose first claim is `next`. */
export function createPackNumbers(next: number): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(4)
  Atomics.store(new Int32Array(shared), 0, next)
  return shared
}
