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
  type JoinToken,
  type Role,
} from '@holdfast/charter'
import { createSigningKey, renderRecoverySheet, seedOf, signingKeyFromSeed } from '@holdfast/keys'
import { createLibp2pTransport } from '@holdfast/mesh-libp2p'
import { asMeshId, asNodeId, equalBytes, hexOf, HoldfastError } from '@holdfast/ports'
import { renderConfig } from './config/index.ts'
import { createHome, prepareHome, readIdentity, type Identity, type NewHome } from './home/index.ts'
import { joiningKey } from './joining-key.ts'
import { learnCharter } from './learn-charter.ts'
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
  /** Version of the charter that a home of the mesh was brought, where no node was made. */
  readonly charterVersion?: number
}

const LISTEN_DEFAULT = '0.0.0.0:4747'
const REGION_DEFAULT = 'default'

export type InitResult = NewNodeResult & { readonly recoverySheet: string }

/** Makes a node and a mesh of one. The operator key is in the sheet and nowhere else: `keepSheet` must have it safe when it
 *  resolves, and there is no node before that, nor if it rejects.
 *  @throws HF_HOME_EXISTS, HF_HOME_READ_ONLY, HF_CONFLICT, HF_BAD_INPUT, HF_PORT_TAKEN, HF_DRIVE_FULL, and what `keepSheet` threw */
export async function initNode(
  options: NewNodeOptions,
  keepSheet: (made: InitResult) => Promise<void>,
): Promise<NewNodeResult> {
  const random = createSystemRandom()
  const timeMs = createSystemClock().nowMs()
  if (existingIdentity(options.home) !== undefined) throw homeExists(options.home)
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
  const prepared = prepareHome(
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
  const made: NewNodeResult = { node: name, nodeId: hexOf(id), mesh: meshName, region, role: 'full', listen: [listen] }
  try {
    await keepSheet({ ...made, recoverySheet })
  } catch (error) {
    prepared.abandon()
    throw error
  }
  try {
    prepared.commit()
  } catch (cause) {
    if (!(cause instanceof HoldfastError)) throw cause
    const message = `${cause.message}; no node was made, and the recovery sheet that was given out belongs to none`
    throw new HoldfastError(cause.code, message, { cause, ...(cause.next === undefined ? {} : { next: cause.next }) })
  }
  return made
}

/** Makes a node in the mesh of a token. No home is written before the inviter has let it in. A home that is a node of that mesh
 *  is brought the newest charter instead.
 *  @throws those of `initNode`, HF_BAD_TOKEN, HF_PEER_UNREACHABLE, HF_PEER_REFUSED, HF_CHARTER_REFUSED, HF_ABORTED */
export async function joinNode(
  options: NewNodeOptions & { readonly token: string },
  signal: AbortSignal,
): Promise<NewNodeResult> {
  const random = createSystemRandom()
  const clock = createSystemClock()
  const existing = existingIdentity(options.home)
  if (existing !== undefined) return rejoin(existing, options, signal)
  const wishes = namesOf(options)
  const token = decodeJoinToken(options.token)
  checkTokenTime(token, clock.nowMs())
  const drive = checkDrive(options.drive, options.home)
  const listen = await listenAddress(options)
  const nodeKey = joiningKey(options.home, options.passphrase, random)
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
  } catch (error) {
    throw refusedByInviter(error)
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
      seed: nodeKey.seed,
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

/** What the inviter says crosses the network without the next step. */
function refusedByInviter(error: unknown): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'HF_BAD_TOKEN' || error.next !== undefined) return error
  const next = 'make a new token with holdfast invite on a node of the mesh'
  return new HoldfastError(error.code, error.message, { cause: error, next })
}

/** @throws HF_HOME_EXISTS for a token of another mesh, or if there is nothing to learn; those of `learnCharter` */
async function rejoin(
  { mesh, name, region, meshName }: Identity,
  { home, passphrase, token: text }: NewNodeOptions & { readonly token: string },
  signal: AbortSignal,
): Promise<NewNodeResult> {
  let token: JoinToken
  try {
    token = decodeJoinToken(text)
  } catch {
    throw homeExists(home)
  }
  if (!equalBytes(token.mesh, mesh)) throw homeExists(home)
  const { before, state, self } = await learnCharter({
    home,
    token,
    signal,
    ...(passphrase === undefined ? {} : { passphrase }),
  })
  if (before !== undefined && equalBytes(before, state.digest())) throw homeExists(home)
  const node = state.node(self)
  return {
    node: node?.name ?? name,
    nodeId: hexOf(self),
    mesh: meshName,
    region: node?.region ?? region,
    role: node?.role ?? 'full',
    listen: [],
    charterVersion: state.head().version,
  }
}

/** Of the node that is there already. @throws HF_DECODE, HF_HOME_NEWER, HF_HOME_READ_ONLY */
function existingIdentity(home: string): Identity | undefined {
  try {
    return readIdentity(home)
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'HF_HOME_MISSING') return undefined
    throw error
  }
}

const homeExists = (home: string): HoldfastError =>
  new HoldfastError('HF_HOME_EXISTS', `${home} is a node already; nothing was changed`, {
    next: `holdfast up --home ${home} runs it; another --home makes another node`,
  })

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
