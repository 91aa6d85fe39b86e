import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {
  CharterState,
  checkTokenTime,
  createJoinRequest,
  decodeJoinToken,
  encodeJoinRequest,
  foundCharter,
  isName,
  NAME_BYTES_MAX,
  type Role,
} from '@holdfast/charter'
import { createSigningKey, renderRecoverySheet, seedOf, signingKeyFromSeed } from '@holdfast/keys'
import { createLibp2pTransport } from '@holdfast/mesh-libp2p'
import { asMeshId, asNodeId, hexOf, HoldfastError } from '@holdfast/ports'
import { renderConfig } from './config/index.ts'
import { createHome, readIdentity, type NewHome } from './home/index.ts'
import { requestJoin } from './replication/index.ts'
import { claimableAddress, createSystemClock, createSystemRandom, makeDirectory } from './system/index.ts'

export interface NewNodeOptions {
  readonly home: string
  readonly name?: string
  readonly region?: string
  /** Absolute; the home holds the drive if absent. */
  readonly drive?: string
  readonly listen?: string
  readonly announce?: string
  readonly passphrase?: string
}

export interface NewNodeResult {
  readonly node: string
  readonly nodeId: string
  readonly mesh: string
  readonly region: string
  readonly role: Role
  readonly listen: readonly string[]
}

const LISTEN_DEFAULT = '0.0.0.0:4747'
const REGION_DEFAULT = 'default'

/** Makes a node and a mesh of one. The operator key is in the sheet and nowhere else.
 *  @throws HF_HOME_EXISTS, HF_HOME_READ_ONLY, HF_CONFLICT, HF_BAD_INPUT, HF_PORT_TAKEN, HF_DRIVE_FULL */
export async function initNode(options: NewNodeOptions): Promise<NewNodeResult & { readonly recoverySheet: string }> {
  const random = createSystemRandom()
  const timeMs = createSystemClock().nowMs()
  refuseExisting(options.home)
  const { name, region } = namesOf(options)
  const listen = await listenAddress(options)
  const nodeKey = createSigningKey(random)
  const operatorKey = createSigningKey(random)
  const mesh = asMeshId(random.bytes(16))
  const id = asNodeId(nodeKey.publicKey)
  const meshName = name
  const state = foundCharter({
    mesh,
    name: meshName,
    node: { id, name, region, role: 'full' },
    nodeKey,
    operatorKey,
    timeMs,
  })
  const { hash } = state.head()
  const drive = checkDrive(options.drive, options.home)
  createHome(
    {
      ...homeOf(options, listen),
      seed: seedOf(nodeKey),
      identity: { name, region, mesh, meshName, trustedCharterHash: hash, drive, createdAtMs: timeMs },
      state: { charter: state.encodeBundle() },
    },
    random,
  )
  const date = new Date(timeMs).toISOString().slice(0, 10)
  const recoverySheet = renderRecoverySheet({ meshId: mesh, meshName, operatorKey, date })
  return { node: name, nodeId: hexOf(id), mesh: meshName, region, role: 'full', listen: [listen], recoverySheet }
}

/** Makes a node in the mesh of a token. Nothing is written before the inviter has let it in.
 *  @throws those of `initNode`, HF_BAD_TOKEN, HF_PEER_UNREACHABLE, HF_PEER_REFUSED, HF_CHARTER_REFUSED, HF_ABORTED */
export async function joinNode(
  options: NewNodeOptions & { readonly token: string },
  signal: AbortSignal,
): Promise<NewNodeResult> {
  const random = createSystemRandom()
  const clock = createSystemClock()
  refuseExisting(options.home)
  const wishes = namesOf(options)
  const token = decodeJoinToken(options.token)
  checkTokenTime(token, clock.nowMs())
  const drive = checkDrive(options.drive, options.home)
  const listen = await listenAddress(options)
  const nodeKey = joiningKey(options.home, random)
  const addresses = options.announce === undefined ? [] : [options.announce]
  const request = encodeJoinRequest(createJoinRequest(token, nodeKey.key, { ...wishes, addresses }))
  const transport = createLibp2pTransport({
    signingKey: signingKeyFromSeed(Uint8Array.from(token.seed)),
    listen: [],
    admit: (peer) => (Buffer.compare(peer, token.inviter) === 0 ? 'member' : 'refused'),
    clock,
  })
  await transport.start()
  let bundle: Uint8Array
  try {
    bundle = await requestJoin({
      transport,
      clock,
      inviter: token.inviter,
      addresses: token.addresses,
      request,
      signal,
    })
  } finally {
    await transport.stop()
  }
  const state = CharterState.open(bundle, { mesh: token.mesh, charterHash: token.charterHash })
  const node = state.node(nodeKey.key.publicKey)
  if (node === undefined) {
    throw new HoldfastError(
      'HF_CHARTER_REFUSED',
      'the charter that the inviter sent does not hold this node; nothing was changed',
      {
        next: 'try again with the same token',
      },
    )
  }
  createHome(
    {
      ...homeOf(options, listen),
      seed: seedOf(nodeKey.key),
      identity: {
        name: node.name,
        region: node.region,
        mesh: token.mesh,
        meshName: state.mesh().name,
        trustedCharterHash: token.charterHash,
        drive,
        createdAtMs: clock.nowMs(),
      },
      state: { charter: bundle },
    },
    random,
  )
  nodeKey.forget()
  return {
    node: node.name,
    nodeId: hexOf(node.id),
    mesh: state.mesh().name,
    region: node.region,
    role: node.role,
    listen: [listen],
  }
}

/** The key of the node to be, kept beside the home until the join is done: a joiner that missed the answer asks again as the same
 *  node and is answered alike. */
function joiningKey(home: string, random: ReturnType<typeof createSystemRandom>) {
  const file = `${path.resolve(home)}.joining`
  let seed: Uint8Array | undefined
  try {
    const kept = fs.readFileSync(file)
    if (kept.byteLength === 32) seed = kept
  } catch {
    // There is none: this is the first try.
  }
  if (seed === undefined) {
    seed = random.bytes(32)
    try {
      makeDirectory(path.dirname(file))
      fs.writeFileSync(file, seed, { mode: 0o600, flag: 'w' })
    } catch (cause) {
      throw new HoldfastError('HF_HOME_READ_ONLY', `${path.dirname(file)} cannot be written; nothing was changed`, {
        cause,
        next: 'give a --home that this user can write',
      })
    }
  }
  return { key: signingKeyFromSeed(seed), forget: () => fs.rmSync(file, { force: true }) }
}

function refuseExisting(home: string): void {
  try {
    readIdentity(home)
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'HF_HOME_MISSING') return
    throw error
  }
  throw new HoldfastError('HF_HOME_EXISTS', `${home} is a node already; nothing was changed`, {
    next: `holdfast up --home ${home} runs it; another --home makes another node`,
  })
}

function namesOf(options: NewNodeOptions): { name: string; region: string } {
  const name = options.name ?? (os.hostname().split('.')[0] || 'node')
  const region = options.region ?? REGION_DEFAULT
  for (const [flag, value] of [
    ['--name', name],
    ['--region', region],
  ] as const) {
    if (isName(value, NAME_BYTES_MAX)) continue
    throw new HoldfastError('HF_BAD_INPUT', `${flag} "${value}" is no name; nothing was changed`, {
      next: `a name has 1 to ${NAME_BYTES_MAX} bytes, does not begin with "-" and holds no ":" or "/"`,
    })
  }
  return { name, region }
}

const listenAddress = (options: NewNodeOptions): Promise<string> =>
  claimableAddress(options.listen ?? LISTEN_DEFAULT, options.listen === undefined)

function homeOf(options: NewNodeOptions, listen: string): Pick<NewHome, 'directory' | 'config' | 'passphrase'> {
  const config = renderConfig({ listen, ...(options.announce === undefined ? {} : { announce: options.announce }) })
  return {
    directory: path.resolve(options.home),
    config,
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
  }
}

/** The drive's directory as the identity keeps it: empty for the one in the home. It may be new, or an empty directory. */
function checkDrive(drive: string | undefined, home: string): string {
  if (drive === undefined) return ''
  const refuse = (reason: string, cause?: unknown): HoldfastError =>
    new HoldfastError('HF_BAD_INPUT', `--drive ${drive} ${reason}; nothing was changed`, {
      cause,
      next: 'give an empty or new directory',
    })
  const relative = path.relative(path.resolve(home), drive)
  if (relative === '') throw refuse('is the home itself')
  try {
    makeDirectory(drive, 0o700)
    if (fs.readdirSync(drive).some((name) => name !== 'lost+found')) throw refuse('is not empty')
    fs.accessSync(drive, fs.constants.W_OK)
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw refuse(`cannot be used (${(cause as NodeJS.ErrnoException).code ?? 'error'})`, cause)
  }
  return fs.realpathSync(drive)
}
