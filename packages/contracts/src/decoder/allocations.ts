/** Bytes of typed arrays and buffers that are made while `work` runs, by length asked for: what an attacker can drive up by a
 *  number in a header. Views and copies of what exists are not counted; they cannot exceed it. */
export function allocatedBytes(work: () => void): number {
  let bytes = 0
  const counting = <T extends object>(target: T, what: 'construct' | 'apply'): T =>
    new Proxy(target, {
      [what](callee: never, ...rest: readonly unknown[]) {
        const args = rest[what === 'apply' ? 1 : 0] as readonly unknown[]
        if (typeof args[0] === 'number') bytes += args[0]
        return what === 'apply' ? Reflect.apply(callee, rest[0], args) : Reflect.construct(callee, args)
      },
    })
  const replaced = [
    replace(globalThis, 'Uint8Array', (plain) => counting(plain, 'construct')),
    replace(globalThis, 'ArrayBuffer', (plain) => counting(plain, 'construct')),
    replace(Buffer, 'alloc', (plain) => counting(plain, 'apply')),
    replace(Buffer, 'allocUnsafe', (plain) => counting(plain, 'apply')),
  ]
  try {
    work()
  } finally {
    for (const restore of replaced) restore()
  }
  return bytes
}

/** Puts another value in its place; the result puts the first one back. */
function replace<T extends object, K extends keyof T>(holder: T, key: K, change: (plain: T[K]) => T[K]): () => void {
  const plain = holder[key]
  holder[key] = change(plain)
  return () => {
    holder[key] = plain
  }
}
