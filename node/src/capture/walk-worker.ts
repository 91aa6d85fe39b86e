/** The thread that walks and checks the trees of all volumes. Requests are done between slices of a walk, never inside one. */
import { parentPort } from 'node:worker_threads'
import { createDirectoryReader, createTreeWalker, STAT_WORDS } from '@holdfast/capture'
import type { ChangeSink, TreeWalker, WalkEnd } from '@holdfast/capture'
import { FOUND_AHEAD_MAX, FOUND_PATHS_MAX, WALK_SLICE_MS } from './limits.ts'
import { FLAG_IGNORED, FLAG_KNOWN, FLAG_RACY, FLAG_UNKEYED, FLAG_YOUNG } from './messages.ts'
import type { FromWalker, ToWalker } from './messages.ts'
import { packPaths, PathListWriter, pathsOf } from './path-list.ts'

interface Volume {
  readonly number: number
  readonly walker: TreeWalker
  walk:
    | { readonly id: number; readonly steps: Generator<undefined, WalkEnd>; readonly found: Found; busyMs: number }
    | undefined
  /** Walks asked for while one is under way. */
  readonly waiting: { readonly id: number; readonly top: Uint8Array; readonly thorough: boolean }[]
  /** Messages that the other side has not dealt with. */
  ahead: number
}

const port = parentPort
if (port === null) throw new TypeError('this file is for a worker thread')

const reader = createDirectoryReader()
const volumes = new Map<number, Volume>()
let scheduled = false

const send = (message: FromWalker, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(message, transfer)

/** What one walk or check found, sent in messages of bounded size. */
class Found implements ChangeSink {
  readonly #volume: Volume
  readonly #id: number
  readonly #paths = new PathListWriter()
  readonly #gone = new PathListWriter()
  readonly #stats = new Uint32Array(FOUND_PATHS_MAX * STAT_WORDS)
  readonly #flags = new Uint8Array(FOUND_PATHS_MAX)
  #problems: { path: Uint8Array; errno: string }[] = []

  constructor(volume: Volume, id: number) {
    this.#volume = volume
    this.#id = id
  }

  changed(path: Uint8Array, words: Uint32Array, why: { readonly known: boolean; readonly racy: boolean }): void {
    const at = this.#paths.count
    this.#stats.set(words.subarray(0, STAT_WORDS), at * STAT_WORDS)
    this.#flags[at] = (why.known ? FLAG_KNOWN : 0) | (why.racy ? FLAG_RACY : 0)
    this.#paths.add(path)
    this.#sendIfFull()
  }

  vanished(path: Uint8Array): void {
    this.#gone.add(path)
    this.#sendIfFull()
  }

  problem(path: Uint8Array, errno: string): void {
    this.#problems.push({ path, errno })
    this.#sendIfFull()
  }

  send(): void {
    const count = this.#paths.count
    if (count + this.#gone.count + this.#problems.length === 0) return
    const stats = this.#stats.slice(0, count * STAT_WORDS)
    const message = {
      type: 'found',
      volume: this.#volume.number,
      id: this.#id,
      flags: this.#flags.slice(0, count),
      paths: this.#paths.take(),
      gone: this.#gone.take(),
      stats,
      problems: this.#problems,
    } as const
    this.#problems = []
    this.#volume.ahead++
    send(message, [stats.buffer])
  }

  #sendIfFull(): void {
    if (this.#paths.count + this.#gone.count + this.#problems.length >= FOUND_PATHS_MAX) this.send()
  }
}

port.on('message', (message: ToWalker) => {
  if (message.type === 'open') {
    const { volume: number, root, exclude } = message
    const walker = createTreeWalker({ root, reader, exclude })
    volumes.set(number, { number, walker, walk: undefined, waiting: [], ahead: 0 })
    return
  }
  if (message.type === 'stop') {
    for (const volume of volumes.values()) close(volume)
    port.close()
    return
  }
  const volume = volumes.get(message.volume)
  if (volume !== undefined) take(volume, message)
})

function take(volume: Volume, message: Exclude<ToWalker, { type: 'open' | 'stop' }>): void {
  switch (message.type) {
    case 'capture':
      capture(volume.walker, message)
      return
    case 'forget':
      for (const path of pathsOf(message.paths)) volume.walker.tree.forget(path)
      return
    case 'reach':
      send({ type: 'reached', volume: volume.number, id: message.id })
      return
    case 'walk':
      volume.waiting.push({ id: message.id, top: message.top, thorough: message.thorough })
      schedule()
      return
    case 'check':
      check(volume, message.id, [...pathsOf(message.paths)])
      return
    case 'taken':
      volume.ahead--
      schedule()
      return
    case 'accept-root':
      volume.walker.acceptRoot()
      return
    case 'close':
      close(volume)
  }
}

function close(volume: Volume): void {
  volumes.delete(volume.number)
  volume.walk?.steps.return({ type: 'unavailable', message: 'closed' })
}

function capture(walker: TreeWalker, message: Extract<ToWalker, { type: 'capture' }>): void {
  let index = 0
  for (const path of pathsOf(message.paths)) {
    const flags = message.flags[index] ?? 0
    const words = (flags & FLAG_UNKEYED) === 0 ? message.stats : undefined
    const doubt = { racy: (flags & FLAG_RACY) !== 0, young: (flags & FLAG_YOUNG) !== 0 }
    walker.tree.capture(path, words, index * STAT_WORDS, { ...doubt, ignored: (flags & FLAG_IGNORED) !== 0 })
    index++
  }
}

function check(volume: Volume, id: number, paths: readonly Uint8Array[]): void {
  const began = performance.now()
  const found = new Found(volume, id)
  const { end, directories } = volume.walker.check(paths, found)
  found.send()
  ended(volume, id, end, packPaths(directories), performance.now() - began)
}

function ended(volume: Volume, id: number, end: WalkEnd, directories: Uint8Array, durationMs: number): void {
  send({ type: 'ended', volume: volume.number, id, end, directories, durationMs })
}

/** Goes on with the walks once the messages that have come are dealt with. */
function schedule(): void {
  if (scheduled) return
  scheduled = true
  setImmediate(() => {
    scheduled = false
    let more = false
    for (const volume of volumes.values()) more = step(volume) || more
    if (more) schedule()
  })
}

/** One slice of the volume's walk; whether it can go on at once. */
function step(volume: Volume): boolean {
  if (volume.walk === undefined) {
    const next = volume.waiting.shift()
    if (next === undefined) return false
    const found = new Found(volume, next.id)
    volume.walk = { id: next.id, found, steps: volume.walker.walk(next.top, found, next.thorough), busyMs: 0 }
  }
  const { walk } = volume
  const began = performance.now()
  while (volume.ahead < FOUND_AHEAD_MAX) {
    const result = walk.steps.next()
    const spentMs = performance.now() - began
    if (result.done === true) {
      walk.found.send()
      volume.walk = undefined
      ended(volume, walk.id, result.value, new Uint8Array(0), walk.busyMs + spentMs)
      return volume.waiting.length > 0
    }
    if (spentMs < WALK_SLICE_MS) continue
    walk.busyMs += spentMs
    // What was found is not kept back until a message is full: reading it can begin.
    walk.found.send()
    return true
  }
  walk.busyMs += performance.now() - began
  return false
}
