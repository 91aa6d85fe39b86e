import fs from 'node:fs'
import { CharterState } from '@holdfast/charter'
import { createHypercoreJournalStore } from '@holdfast/journal'
import { sign, verify } from '@holdfast/keys'
import { createLibp2pTransport } from '@holdfast/mesh-libp2p'
import { asNodeId, equalBytes, HoldfastError } from '@holdfast/ports'
import type { Admission, Clock, Drive, NodeId } from '@holdfast/ports'
import { openFsDrive, openPackStore, reserveBytesOf } from '@holdfast/store-pack'
import { pino, type Logger } from 'pino'
import { createAuthority, type Authority } from './authority/index.ts'
import { CharterKeeper } from './authority/charter-keeper.ts'
import { EpochService, VoterRecords } from './epochs/index.ts'
import { createApiServer } from './api/server.ts'
import { createCaptureService } from './capture/index.ts'
import { configValues, readConfig } from './config/index.ts'
import { openHome, type Home } from './home/index.ts'
import { createIngestPool } from './ingest/index.ts'
import { createReplication, TRANSPORT_WINDOW_BYTES, type Replication } from './replication/index.ts'
import { createNodeService } from './service/service.ts'
import type { ServiceParts } from './service/parts.ts'
import { createSystemClock, createSystemRandom } from './system/index.ts'
import { Checkpoints } from './volumes/checkpoints.ts'
import { ChunkSource } from './volumes/chunk-source.ts'
import { waitForHealing } from './volumes/healing.ts'
import { IndexStore } from './volumes/index-store.ts'
import { PendingFrames } from './volumes/pending-frames.ts'
import { Room, type RoomPlace } from './volumes/room.ts'
import { VolumeManager } from './volumes/volume-manager.ts'
import { Volumes } from './volumes/volumes.ts'

export interface StartNodeOptions {
  readonly home: string
  readonly passphrase?: string
  /** Overrides `listen` of the configuration. */
  readonly listen?: string
  readonly verbosity: 0 | 1
  readonly version: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** @default this machine's */
  readonly clock?: Clock
}

export interface RunningNode {
  readonly node: string
  readonly mesh: string
  readonly listen: readonly string[]
  /** Path of the control socket. */
  readonly api: string
  /** Resolves when the node has stopped, by `stop`; rejects when it cannot go on. */
  readonly stopped: Promise<void>
  /** Clean stop; idempotent. */
  stop(): Promise<void>
}

/** Runs the node of a home in this process. Resolves when it can serve.
 *  @throws HF_HOME_*, HF_WRONG_KEY, HF_CONFIG_INVALID, HF_PORT_TAKEN, HF_DRIVE_FAILED, HF_ABORTED */
export async function startNode(options: StartNodeOptions, signal: AbortSignal): Promise<RunningNode> {
  const stack = new Stack()
  try {
    const running = await compose(options, stack)
    if (signal.aborted) throw new HoldfastError('HF_ABORTED', 'the start was given up', { cause: signal.reason })
    return running
  } catch (error) {
    await stack.unwind()
    throw error
  }
}

async function compose(options: StartNodeOptions, stack: Stack): Promise<RunningNode> {
  const flags = options.listen === undefined ? {} : { listen: options.listen }
  const effective = readConfig(options.home, options.environment, flags)
  const { config } = effective
  const home = openHome(options.home, options.passphrase)
  stack.push(() => home.close())
  const log = createLog(options.verbosity === 1 ? 'debug' : config.log_level)
  for (const notice of home.notices) log.warn(notice)
  const clock = options.clock ?? createSystemClock()
  const random = createSystemRandom()
  const self = asNodeId(home.signingKey.publicKey)
  const startedAtMonotonicMs = clock.monotonicMs()

  const api = createApiServer({
    home: home.directory,
    version: options.version,
    clock,
    environment: options.environment,
    onFailure: (method, error) => log.debug({ method, code: error.code }, error.message),
  })
  await api.start()
  stack.push(() => api.stop())

  const drive = openFsDrive(driveDirectory(home))
  const reserveBytes = reserveBytesOf(drive.space().totalBytes)
  const room = new Room({ places: placesOf(home, drive), clock })
  const index = await IndexStore.open(home.indexDirectory, (error) =>
    log.warn({ err: error }, 'the index is damaged; it is made anew from the packs'),
  )
  stack.push(() => index.close())
  const store = await openPackStore({
    drive,
    index: index.packs,
    reserveBytes,
    onProblem: (problem) => log.warn({ problem: problem.type }, 'the store mended something'),
  })
  stack.push(() => store.close())

  const keeper = new CharterKeeper(home, self, openCharter(home), (conflict) => log.error(conflict))
  const authorityOf: { current?: Authority } = {}
  const replicationOf: { current?: Replication } = {}
  const transport = createLibp2pTransport({
    signingKey: home.signingKey,
    listen: [config.listen],
    ...(config.announce === undefined ? {} : { announce: config.announce }),
    admit: (peer) =>
      replicationOf.current?.refuses(peer) === true ? 'refused' : admission(peer, keeper, authorityOf.current),
    windowBytes: TRANSPORT_WINDOW_BYTES,
    clock,
  })
  await transport.start()
  stack.push(() => transport.stop())

  const volumes = new Volumes()
  const replication = createReplication({
    transport,
    clock,
    random,
    log,
    charter: keeper,
    volumes,
    signatures: {
      sign: (label, bytes) => sign(home.signingKey, label, bytes),
      verify: (signer, label, bytes, signature) => verify(signer, label, bytes, signature),
    },
    store: volumes.sourceOf(store),
  })
  replicationOf.current = replication
  const authority = createAuthority({
    home,
    keeper,
    replication,
    clock,
    random,
    addresses: () => transport.addresses(),
    onProblem: (error) => log.warn({ err: error }, 'a volume could not be given another member yet'),
    onRecordLost: (error) =>
      log.error(
        { err: error },
        'a record of promises is damaged: this node agrees to no change of that kind until that is settled',
      ),
  })
  stack.push(() => authority.stop())
  authorityOf.current = authority
  authority.announce()

  const pool = createIngestPool({
    driveDirectory: driveDirectory(home),
    packNumbers: store.packNumbers,
    reserveBytes,
    clock,
    ...(config.workers === 0 ? {} : { workers: config.workers }),
  })
  await pool.start()
  stack.push(() => pool.stop())
  const pending = new PendingFrames(pool, store)
  const capture = createCaptureService({ clock, pool: pending.watching(pool) })
  await capture.start()
  stack.push(() => capture.stop())

  const records = new VoterRecords(home, home.signingKey, (error) =>
    log.error({ err: error }, 'the record of votes is damaged: this node gives none until the operator mends it'),
  )
  const epochs = new EpochService({
    self,
    state: () => authority.state,
    volumeOf: (volume) => volumes.get(volume),
    records,
    replication,
    store,
  })
  const manager = new VolumeManager({
    home,
    self,
    authority,
    volumes,
    store,
    openJournals: (directory) => createHypercoreJournalStore({ directory }),
    index,
    replication,
    epochs,
    records,
    pool,
    capture,
    pending,
    room,
    clock,
    random,
    log,
  })
  const checkpoints = new Checkpoints({
    store,
    clock,
    flush: () => manager.flush(),
    onProblem: (error) => log.error({ err: error }, 'checkpoint failed'),
    hasRoom: () => room.state !== 'none',
  })
  room.onChange(() => {
    const { problem } = room
    if (problem === undefined) log.warn('there is room again; everything goes on')
    else log.warn({ code: problem.code, next: problem.next }, problem.message)
  })
  room.start()
  stack.push(() => room.stop())
  stack.push(() => manager.close())
  await manager.start()
  stack.push(async () => {
    await manager.stop()
    await pool.stop()
    await checkpoints.stop()
  })
  checkpoints.start()
  await replication.start()
  stack.push(() => replication.stop())
  stack.push(transport.onPeer(() => authority.place()))

  const parts: ServiceParts = {
    self,
    clock,
    random,
    log,
    authority,
    volumes,
    chunks: new ChunkSource(store, replication, (volume, id) => volumes.get(volume)?.chunkLost(id)),
    store,
    replication,
    volumesOpened: () => manager.settled(),
    volumeWarnings: (volume) => [...roomSentences(room), ...manager.warningsOf(volume)],
    room,
    heal: (wanted, healSignal) => waitForHealing(wanted, clock, healSignal),
    directoryKnown: (volume) => manager.directoryKnown(volume),
    captureOf: (volume) => manager.captureOf(volume),
    pendingOf: (volume) => manager.pendingOf(volume),
    capturing: (volume, wait) => manager.capturing(volume, wait),
  }
  const listen = transport.addresses()
  const { name, region, meshName } = home.identity
  api.serve(
    createNodeService({
      parts,
      facts: {
        name,
        region,
        mesh: meshName,
        listen,
        drive: driveDirectory(home),
        startedAtMonotonicMs,
        space: () => drive.space(),
      },
      home: home.directory,
      config: configValues(effective),
      rebuild: () => manager.rebuild(),
    }),
  )
  log.debug({ node: name, listen }, 'ready')

  let stopped: Promise<void> | undefined
  let onStopped: (outcome: Promise<void>) => void
  const ended = new Promise<void>((resolve) => {
    onStopped = resolve
  })
  return {
    node: name,
    mesh: meshName,
    listen,
    api: api.path,
    stopped: ended,
    stop() {
      if (stopped === undefined) {
        stopped = stack.unwind()
        onStopped(stopped)
      }
      return stopped
    },
  }
}

/** What was started, ended in the opposite order. */
class Stack {
  readonly #ends: (() => void | Promise<void>)[] = []

  push(end: () => void | Promise<void>): void {
    this.#ends.push(end)
  }

  /** Every end is called, also after one that failed; the first failure is thrown. */
  async unwind(): Promise<void> {
    const failures: unknown[] = []
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

function createLog(level: string): Logger {
  return pino(
    { level, base: null, redact: ['passphrase', 'token', 'operatorKey', 'seed'] },
    pino.destination({ fd: 2, sync: true }),
  )
}

/** The directory of the drive; the one in the home is made at the first start.
 *  @throws HF_DRIVE_FAILED if a drive elsewhere is not there: an unmounted drive must not be taken for an empty one */
function driveDirectory(home: Home): string {
  const directory = home.driveDirectory
  if (fs.existsSync(directory)) return directory
  if (home.identity.drive !== '') {
    throw new HoldfastError(
      'HF_DRIVE_FAILED',
      `the drive ${directory} of this node is not there; what it holds is safe if it is only not mounted`,
      {
        next: 'mount it and start the node again',
      },
    )
  }
  fs.mkdirSync(directory, { mode: 0o700 })
  return directory
}

/** The file systems that the node writes: of the drive, and of the home if that is another one. */
function placesOf(home: Home, drive: Drive): RoomPlace[] {
  const directory = driveDirectory(home)
  const places: RoomPlace[] = [{ name: `the drive ${directory}`, space: () => drive.space() }]
  if (fs.statSync(directory).dev !== fs.statSync(home.directory).dev) {
    const homeDrive = openFsDrive(home.directory)
    places.push({ name: `the file system of the home ${home.directory}`, space: () => homeDrive.space() })
  }
  return places
}

const roomSentences = ({ problem }: Room): readonly string[] =>
  problem === undefined ? [] : [`${problem.message}; ${problem.next ?? ''}`]

function openCharter(home: Home): CharterState {
  const bundle = home.readState('charter')
  const next = 'holdfast join TOKEN in this home brings it from the node that made the token (holdfast invite)'
  if (bundle === undefined) throw new HoldfastError('HF_DECODE', 'the charter of this home is missing', { next })
  try {
    return CharterState.open(bundle, { mesh: home.identity.mesh, charterHash: home.identity.trustedCharterHash })
  } catch (cause) {
    throw new HoldfastError('HF_DECODE', 'the charter of this home is damaged', { cause, next })
  }
}

function admission(peer: NodeId, keeper: CharterKeeper, authority: Authority | undefined): Admission {
  if (keeper.peers().some(({ id }) => equalBytes(id, peer))) return 'member'
  return authority?.isInvited(peer) === true ? 'join' : 'refused'
}
