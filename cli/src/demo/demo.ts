/** `npm start -- DIR`: a mesh of three nodes on this machine that protects DIR, until it is interrupted. */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { VolumeStatus } from '@holdfast/node/api'
import { HoldfastError, HOUR_MS, MINUTE_MS } from '@holdfast/ports'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Io } from '../io.ts'
import { followWork } from '../progress.ts'
import { countText, sizeText } from '../text/sizes.ts'
import { Crew } from './crew.ts'
import { DemoNode, isMade, joinNode, makeFirstNode } from './demo-node.ts'
import { showEdits } from './edits.ts'
import { fileWithHistory } from './history.ts'
import {
  demoDirectory,
  demoPlaces,
  demoStateDirectory,
  holdfastCommand,
  volumeNameOf,
  type DemoPlace,
} from './places.ts'
import { replication } from './replication-progress.ts'
import { shellCommand } from './shell-text.ts'

/** The first capture of a large tree on a slow machine. */
const FLUSH_TIMEOUT_MS = 6 * HOUR_MS
const TOKEN_TTL_MS = 10 * MINUTE_MS

/** Runs until the signal; exit code 0 when all nodes were stopped cleanly. */
export async function runDemo(args: readonly string[], signal: AbortSignal, io: Io): Promise<number> {
  if (args.length > 1 || args[0]?.startsWith('-')) {
    throw new HoldfastError('HF_BAD_INPUT', 'the demo takes one directory', { next: 'npm start -- DIR' })
  }
  const state = demoStateDirectory(io.environment)
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const directory = demoDirectory(args[0], state, io.environment)
  const crew = new Crew()
  const gaveUp = new AbortController()
  const work = perform(crew, state, directory, AbortSignal.any([signal, gaveUp.signal]), io)
  try {
    await Promise.race([work, crew.lost])
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await io.stdout.write(`${io.terminal.stdout ? '\r\u001b[K' : ''}stopping\n`)
    gaveUp.abort()
    await Promise.allSettled([work])
    await crew.stop()
  }
  await io.stdout.write('stopped; the same command goes on where it was\n')
  return EXIT.done
}

async function perform(crew: Crew, state: string, directory: string, signal: AbortSignal, io: Io): Promise<never> {
  const say = (text: string): Promise<void> => io.stdout.write(`${text}\n`)
  await say(`three nodes on this machine, kept in ${state}`)
  const nodes = await startNodes(state, crew, signal, io)
  for (const { place, address, pid } of nodes)
    await say(`  ${place.name}  region ${place.region}  ${address}  process ${pid}`)
  const [first] = nodes
  const volume = await protect(first, directory, nodes.length, signal, io)
  const size = `${countText(volume.files)} files, ${sizeText(volume.bytes)}`
  await say(`${directory} is volume ${volume.name}: ${size}, held by ${heldBy(volume)}`)
  await sayCommands(nodes, volume, signal, say)
  return showEdits(first.client, volume, signal, io)
}

const heldBy = (volume: VolumeStatus): string => volume.members.map((member) => member.region).join(', ')

/** Makes what is not made yet, one after the other as a person would; starts what is, at once. The first is the first. */
async function startNodes(state: string, crew: Crew, signal: AbortSignal, io: Io): Promise<[DemoNode, ...DemoNode[]]> {
  const [first, ...others] = demoPlaces(state)
  const start = async (place: DemoPlace): Promise<DemoNode> => {
    const node = await DemoNode.start(place, io.clock, signal)
    crew.add(node)
    return node
  }
  if (!isMade(first)) await makeFirstNode(first, state, signal)
  const [inviter] = await allOf([first, ...others.filter(isMade)].map(start))
  if (inviter === undefined) throw new TypeError('the first node runs')
  for (const place of others.filter((each) => !isMade(each))) {
    const request = { region: place.region, ttlMs: TOKEN_TTL_MS, role: 'full' } as const
    const { token } = await inviter.client.invite(request, { signal })
    await joinNode(place, token, signal)
    await start(place)
  }
  return [inviter, ...crew.in(others.map(({ name }) => name)).filter((node) => node !== inviter)]
}

/** Waits for all even when one fails, so that none is left behind unseen. */
async function allOf<Value>(promises: readonly Promise<Value>[]): Promise<Value[]> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}

/** Protects the directory unless it is already, and waits until every node holds all of it. */
async function protect(
  node: DemoNode,
  directory: string,
  copies: number,
  signal: AbortSignal,
  io: Io,
): Promise<VolumeStatus> {
  const { client } = node
  const options: GlobalOptions = { home: node.place.home, yes: false, json: false, quiet: false, verbose: false }
  const { volumes } = await client.status({}, { signal })
  let name = volumes.find((volume) => volume.directory === directory && volume.protected)?.name
  if (name === undefined) {
    const taken = new Set(volumes.map((volume) => volume.name))
    name = freeName(volumeNameOf(directory), taken)
    await client.protect({ directory, name, copies }, { signal })
  }
  const volume = name
  await followWork(options, io, client.flush({ volume, level: 'local', timeoutMs: FLUSH_TIMEOUT_MS }, { signal }))
  await followWork(options, io, replication(client, volume, copies, signal, io.clock))
  await followWork(options, io, client.flush({ volume, level: 'quorum', timeoutMs: FLUSH_TIMEOUT_MS }, { signal }))
  const status = (await client.status({}, { signal })).volumes.find((each) => each.name === volume)
  if (status === undefined) throw new HoldfastError('HF_NOT_FOUND', `volume ${volume} is gone`)
  return status
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 2, candidate = name; ; number++, candidate = `${name}-${number}`)
    if (!taken.has(candidate)) return candidate
}

/** Three commands to try, each on another node. */
async function sayCommands(
  nodes: readonly [DemoNode, ...DemoNode[]],
  volume: VolumeStatus,
  signal: AbortSignal,
  say: (text: string) => Promise<void>,
): Promise<void> {
  const [first, second = first, third = first] = nodes
  const holdfast = holdfastCommand()
  const file = await fileWithHistory(first.client, volume.name, signal)
  const to = join(tmpdir(), `holdfast-demo-${new Date().toISOString().slice(0, 19).replaceAll(/\D/g, '')}`)
  const target = file === undefined ? volume.name : `${volume.name}:${file.path}`
  const at = file === undefined ? [] : ['--at', file.time]
  await say('try, in another terminal:')
  await say(`  ${shellCommand(holdfast, 'log', target, '--home', first.place.home)}`)
  if (file !== undefined) await say(`  ${shellCommand(holdfast, 'cat', target, ...at, '--home', second.place.home)}`)
  await say(`  ${shellCommand(holdfast, 'restore', volume.name, '--to', to, '--home', third.place.home)}`)
  await say(`change something in ${volume.directory ?? ''}: it shows up here; Ctrl-C stops all three nodes`)
}
