import assert from 'node:assert/strict'
import { allocatedBytes } from '../src/decoder/allocations.ts'

describe('allocatedBytes', () => {
  it('counts what is made by length, and leaves no trace', () => {
    const globals = (): unknown[] => [
      globalThis.Uint8Array,
      globalThis.ArrayBuffer,
      Reflect.get(Buffer, 'alloc'),
      Reflect.get(Buffer, 'allocUnsafe'),
    ]
    const before = globals()
    const made: Uint8Array[] = []
    const bytes = allocatedBytes(() => {
      made.push(new Uint8Array(1_000), Buffer.alloc(200), Buffer.allocUnsafe(30), new Uint8Array(new ArrayBuffer(4)))
      made.push(Uint8Array.of(1, 2))
      assert.ok(made.every((array) => array instanceof Uint8Array))
    })
    assert.ok(bytes >= 1_234 && bytes < 1_300, `${bytes}`)
    assert.throws(() =>
      allocatedBytes(() => {
        throw new RangeError('inside')
      }),
    )
    for (const [index, value] of globals().entries()) assert.ok(value === before[index])
    assert.ok(made.every((array) => array instanceof Uint8Array))
  })
})
