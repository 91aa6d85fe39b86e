import type { Fate } from '@holdfast/doubles'
import { hexOf } from '@holdfast/ports'
import { FRAME_HEADER_BYTES } from '@holdfast/store-pack'
import type { SimulatedNode } from '../node/simulated-node.ts'
import type { FaultName } from './options.ts'
import type { World } from './world.ts'

const FATES: readonly [Fate, ...Fate[]] = ['kept', 'lost', 'torn-head', 'torn-tail']
const MINUTE_MS = 60_000
/** Steps of wall clocks, ms: a minute, an hour, a year. */
const STEPS_MS: readonly [number, ...number[]] = [MINUTE_MS, 60 * MINUTE_MS, 365 * 24 * 60 * MINUTE_MS]
/** Share of messages that a bad link changes. */
const FLIP_RATIO = 0.02

/** Makes one fault of a kind happen. What it did, for the trace; undefined if there was nothing it could be done to. */
export type Fault = (world: World) => string | undefined

export const FAULT_ACTIONS: Readonly<Record<FaultName, Fault>> = {
  kill: (world) => crash(world, undefined),
  power: (world) => crash(world, () => world.dice.pick(FATES)),
  cut(world) {
    const [a, b] = pair(world)
    during(
      world,
      () => both(world, a, b, 'cut'),
      () => both(world, a, b, 'mend'),
    )
    return `${a.name} | ${b.name}`
  },
  oneWay(world) {
    const [a, b] = pair(world)
    during(
      world,
      () => world.links.cut(a.self, b.self),
      () => world.links.mend(a.self, b.self),
    )
    return `${a.name} cannot tell ${b.name}`
  },
  flap(world) {
    const [a, b] = pair(world)
    for (let second = 0; second < 20; second += 2) {
      world.kernel.after(second * 1000, () => both(world, a, b, 'cut'))
      world.kernel.after(second * 1000 + 900, () => both(world, a, b, 'mend'))
    }
    return `${a.name} ~ ${b.name}`
  },
  reset(world) {
    const [a, b] = pair(world)
    world.network.reset(a.self, b.self)
    return `${a.name} x ${b.name}`
  },
  flip(world) {
    const [a, b] = pair(world)
    during(
      world,
      () => world.links.flip(a.self, b.self, FLIP_RATIO),
      () => world.links.flip(a.self, b.self, 0),
    )
    return `${a.name} * ${b.name}`
  },
  rot(world) {
    const node = world.dice.pick(nodesOf(world))
    const { running } = node
    if (running === undefined) return undefined
    const held = running.volume.named(running.volume.completeLength())
    const chunk = held[world.dice.between(0, held.length - 1)]
    const place = chunk && running.store.locate(running.volume.id, chunk.id)
    if (chunk === undefined || place === undefined) return undefined
    const path = `packs/${place.pack.toString(16).padStart(8, '0')}.pack`
    node.drive.corrupt(path, place.offset + FRAME_HEADER_BYTES + (place.storedBytes >> 1), world.dice.bytes(3))
    world.invariants.rotted(node, hexOf(chunk.id))
    return `${node.name} ${hexOf(chunk.id.subarray(0, 4))}`
  },
  step(world) {
    const node = world.dice.pick(nodesOf(world))
    const byMs = world.dice.pick(STEPS_MS) * world.dice.pick([1, -1])
    node.clockOffsetMs += byMs
    return `${node.name} by ${byMs} ms`
  },
  lag(world) {
    const node = world.dice.pick(nodesOf(world))
    during(
      world,
      () => (node.lag = 200),
      () => (node.lag = 1),
    )
    return node.name
  },
}

function crash(world: World, fateOf: (() => Fate) | undefined): string | undefined {
  const [first, ...rest] = world.nodes.filter(({ running }) => running !== undefined)
  if (first === undefined) return undefined
  const node = world.dice.pick([first, ...rest])
  node.kill(fateOf)
  world.forgetWrite(node)
  const downMs = world.dice.between(100, 30_000)
  world.kernel.after(downMs, () => world.restart(node))
  return `${node.name} for ${downMs} ms`
}

function during(world: World, begin: () => void, end: () => void): void {
  begin()
  world.kernel.after(world.dice.between(500, 45_000), () => {
    end()
    world.network.wake()
  })
}

function both(world: World, a: SimulatedNode, b: SimulatedNode, action: 'cut' | 'mend'): void {
  world.links[action](a.self, b.self)
  world.links[action](b.self, a.self)
  if (action === 'mend') world.network.wake()
}

function nodesOf(world: World): readonly [SimulatedNode, ...SimulatedNode[]] {
  const [first, ...rest] = world.nodes
  if (first === undefined) throw new TypeError('a world has at least one member')
  return [first, ...rest]
}

function pair(world: World): [SimulatedNode, SimulatedNode] {
  const nodes = nodesOf(world)
  const at = world.dice.between(0, nodes.length - 1)
  const other = (at + world.dice.between(1, Math.max(1, nodes.length - 1))) % nodes.length
  return [nodes[at] ?? nodes[0], nodes[other] ?? nodes[0]]
}
