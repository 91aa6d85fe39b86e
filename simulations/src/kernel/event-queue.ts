export interface QueuedEvent {
  readonly dueMs: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

const isBefore = (a: QueuedEvent, b: QueuedEvent): boolean =>
  a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)

/** A binary heap: the earliest event first, among equals the one made first. */
export class EventQueue {
  readonly #heap: QueuedEvent[] = []

  push(event: QueuedEvent): void {
    let index = this.#heap.push(event) - 1
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#heap[parentIndex]
      if (parent === undefined || !isBefore(event, parent)) break
      this.#heap[index] = parent
      index = parentIndex
    }
    this.#heap[index] = event
  }

  /** The next event that is due by then, taken out; cancelled ones are passed over. */
  popUntil(limitMs: number): QueuedEvent | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.dueMs > limitMs) return undefined
      const last = this.#heap.pop()
      if (last !== undefined && last !== first) this.#sink(last)
      if (!first.cancelled) return first
    }
  }

  #sink(event: QueuedEvent): void {
    let index = 0
    for (;;) {
      let childIndex = 2 * index + 1
      let child = this.#heap[childIndex]
      const right = this.#heap[childIndex + 1]
      if (child === undefined) break
      if (right !== undefined && isBefore(right, child)) {
        childIndex++
        child = right
      }
      if (!isBefore(child, event)) break
      this.#heap[index] = child
      index = childIndex
    }
    this.#heap[index] = event
  }
}
