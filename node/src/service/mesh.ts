import fs from 'node:fs'
import path from 'node:path'
import {
  isName,
  mayVote,
  VOLUME_NAME_BYTES_MAX,
  type CharterChange,
  type NodeInfo,
  type Role,
  type VolumeEntry,
} from '@holdfast/charter'
import { parseOperatorKey, type SigningKey } from '@holdfast/keys'
import { equalBytes, hexOf, HoldfastError } from '@holdfast/ports'
import { isoTime } from '../api/iso-time.ts'
import type { CharterChangeAnswer } from '../api/mesh-messages.ts'
import type { NodeService } from '../api/service.ts'
import { NODE_ROLES, type NodeRole } from '../api/vocabulary.ts'
import type { ProtectAnswer } from '../api/volume-messages.ts'
import { findByName } from './find-by-name.ts'
import type { ServiceParts } from './parts.ts'

type Mesh = Pick<
  NodeService,
  | 'protect'
  | 'unprotect'
  | 'invite'
  | 'nodes'
  | 'nodeRemove'
  | 'memberAdd'
  | 'memberRemove'
  | 'memberRole'
  | 'charterLog'
>

/** Copies that `protect` asks for if nothing is said. */
export const COPIES_DEFAULT = 3

/** Volumes, members, nodes and the charter they stand in. */
export function createMesh(parts: ServiceParts, places: { home: string; drive: string }): Mesh {
  const { authority, self } = parts
  const findNode = (text: string): NodeInfo =>
    findByName(
      'node',
      text,
      authority.nodes(),
      (node) => node.name,
      (node) => node.id,
    )
  const entryOf = (text: string) =>
    findByName(
      'volume',
      text,
      authority.volumes(),
      (entry) => entry.name,
      (entry) => entry.volume,
    )
  const changed = (message: string): CharterChangeAnswer => ({
    charterVersion: authority.state.head().version,
    message,
  })

  return {
    async protect({ directory, name, copies, members }) {
      const real = checkDirectory(directory, places)
      const known = authority.directories().map(({ volume, directory: place }) => ({
        entry: authority.state.volume(volume),
        place,
      }))
      for (const { entry, place } of known) if (entry?.protected === true) checkApart(real, place, entry.name)
      const volumeName = name ?? path.basename(real)
      const before = resumable(volumeName, real)
      if (before !== undefined) {
        checkSameCopies(before, copies)
        const entry = await authority.protectAgain(before.volume, real)
        await parts.volumesOpened()
        await parts.directoryKnown(entry.volume)
        return protecting(entry, real)
      }
      checkName(volumeName, name === undefined)
      if (authority.volumes().some((entry) => entry.name === volumeName)) {
        throw new HoldfastError(
          'HF_ALREADY_EXISTS',
          `there is a volume ${volumeName} in this mesh already; nothing was changed`,
          {
            next: 'give another name with --name',
          },
        )
      }
      const others = new Map((members ?? []).map((text) => [hexOf(findNode(text).id), findNode(text).id]))
      others.delete(hexOf(self))
      checkRoom(others.size, copies ?? COPIES_DEFAULT)
      const entry = await authority.protect({
        name: volumeName,
        directory: real,
        copies: copies ?? COPIES_DEFAULT,
        members: [...others.values()],
      })
      return protecting(entry, real)
    },

    async unprotect({ volume }) {
      const entry = entryOf(volume)
      if (!equalBytes(entry.primary, self)) throw notPrimary(entry.name, authority.nameOf(entry.primary))
      await authority.unprotect(entry.volume)
      await parts.volumesOpened()
      return { volume: entry.name, id: hexOf(entry.volume) }
    },

    invite({ region, ttlMs, role }) {
      const { token, expiresAtMs } = authority.invite({ role, ttlMs, ...(region === undefined ? {} : { region }) })
      return Promise.resolve({
        token,
        expiresAt: isoTime(expiresAtMs),
        role,
        ...(region === undefined ? {} : { region }),
      })
    },

    nodes: () =>
      Promise.resolve(
        authority.nodes().map((node) => ({
          node: node.name,
          id: hexOf(node.id),
          region: node.region,
          role: roleOf(node.role),
          addresses: authority.state.addressesOf(node.id),
          self: equalBytes(node.id, self),
          voter: mayVote(node.role),
        })),
      ),

    async nodeRemove({ node: text, operatorKey }) {
      const node = findNode(text)
      if (equalBytes(node.id, self)) {
        throw new HoldfastError('HF_POLICY', 'a node does not remove itself; nothing was changed', {
          next: 'run it on another node of the mesh',
        })
      }
      const primaryOf = authority.volumes().find((entry) => equalBytes(entry.primary, node.id) && entry.protected)
      if (primaryOf !== undefined) {
        throw new HoldfastError(
          'HF_POLICY',
          `${node.name} is the primary of volume ${primaryOf.name}; nothing was changed`,
          {
            next: `holdfast unprotect ${primaryOf.name} on ${node.name} first`,
          },
        )
      }
      const key = keyOf(operatorKey)
      // Its memberships first: while it is a node, its own vote can still help to end them.
      if (key !== undefined && equalBytes(key.publicKey, authority.state.mesh().operatorKey))
        await endMemberships(node, key)
      await authority.removeNode(node.id, key)
      const still = volumesOf(node).map(
        (entry) => `holdfast member remove ${entry.name} ${node.name} on ${authority.nameOf(entry.primary)}`,
      )
      const left =
        still.length === 0 ? '' : `; volumes still count its copy and its vote, until you run: ${still.join('; ')}`
      return changed(`node ${node.name} is out of the mesh; what it holds is its own to keep or delete${left}`)
    },

    async memberAdd({ volume, node: text, role, operatorKey }) {
      const entry = entryOf(volume)
      const node = findNode(text)
      if (!equalBytes(entry.primary, self)) throw notPrimary(entry.name, authority.nameOf(entry.primary))
      if (entry.members.some((member) => equalBytes(member.node, node.id))) {
        throw new HoldfastError(
          'HF_ALREADY_EXISTS',
          `${node.name} is a member of volume ${entry.name} already; nothing was changed`,
        )
      }
      await authority.addMember(entry.volume, node, role, keyOf(operatorKey))
      return changed(`${node.name} is a ${role} member of volume ${entry.name} and is being filled`)
    },

    async memberRemove({ volume, node: text, operatorKey }) {
      const entry = entryOf(volume)
      const node = memberOf(entry, text)
      if (!equalBytes(entry.primary, self)) throw notPrimary(entry.name, authority.nameOf(entry.primary))
      if (equalBytes(node.id, self)) throw primaryStays(entry.name)
      await authority.removeMember(entry.volume, node.id, keyOf(operatorKey))
      return changed(`${node.name} is no member of volume ${entry.name} any more`)
    },

    async memberRole({ volume, node: text, role, operatorKey }) {
      const entry = entryOf(volume)
      const node = memberOf(entry, text)
      if (!equalBytes(entry.primary, self)) throw notPrimary(entry.name, authority.nameOf(entry.primary))
      if (equalBytes(node.id, self)) throw primaryStays(entry.name)
      await authority.setRole(entry.volume, node.id, role, keyOf(operatorKey))
      return changed(`${node.name} is now a ${role} member of volume ${entry.name}`)
    },

    charterLog: () =>
      Promise.resolve(
        authority.state
          .log()
          .toReversed()
          .map((line) => ({
            version: line.version,
            hash: hexOf(line.hash),
            time: isoTime(line.timeMs),
            changes: line.changes.map((change) => changeText(change, (id) => authority.nameOf(id))),
            signedBy: [...line.votes.map((id) => authority.nameOf(id)), ...(line.operatorSigned ? ['operator'] : [])],
          })),
      ),
  }

  function volumesOf(node: NodeInfo): readonly VolumeEntry[] {
    return authority.volumes().filter((entry) => entry.members.some((member) => equalBytes(member.node, node.id)))
  }

  async function endMemberships(node: NodeInfo, key: SigningKey): Promise<void> {
    for (const entry of volumesOf(node)) {
      if (!equalBytes(entry.primary, self)) continue
      try {
        await authority.removeMember(entry.volume, node.id, key)
      } catch (error) {
        // A node that was stolen has to leave the mesh even if too few voters can be asked; the answer says what is left to do.
        parts.log.warn({ err: error, volume: entry.name }, 'the membership of a node that is removed was not ended')
      }
    }
  }

  /** A volume of this node by that name which is captured from nowhere now: unprotected, or its directory was forgotten. */
  function resumable(name: string, directory: string): VolumeEntry | undefined {
    return authority.volumes().find((entry) => {
      if (entry.name !== name || !equalBytes(entry.primary, self)) return false
      const place = authority.directoryOf(entry.volume)
      return place === undefined || (place === directory && !entry.protected)
    })
  }

  async function protecting(entry: VolumeEntry, directory: string): Promise<ProtectAnswer> {
    await parts.volumesOpened()
    return {
      volume: entry.name,
      id: hexOf(entry.volume),
      directory,
      copies: entry.copies,
      members: entry.members.map((member) => authority.nameOf(member.node)),
    }
  }

  /** A member by name or id, also one whose node has left the mesh. */
  function memberOf(entry: VolumeEntry, text: string): NodeInfo {
    const members = entry.members.flatMap((member) => authority.node(member.node) ?? [])
    const node = findByName(
      'node',
      text,
      [...new Map([...authority.nodes(), ...members].map((each) => [hexOf(each.id), each])).values()],
      (each) => each.name,
      (each) => each.id,
    )
    if (members.some((member) => equalBytes(member.id, node.id))) return node
    throw new HoldfastError('HF_NOT_FOUND', `${node.name} is no member of volume ${entry.name}`, {
      next: `holdfast member ls ${entry.name}`,
    })
  }
}

const keyOf = (text: string | undefined): SigningKey | undefined =>
  text === undefined ? undefined : parseOperatorKey(text)

const roleOf = (role: Role): NodeRole => NODE_ROLES.find((known) => known === role) ?? 'full'

const notPrimary = (volume: string, primary: string): HoldfastError =>
  new HoldfastError('HF_NOT_PRIMARY', `volume ${volume} is changed by its primary, ${primary}; nothing was changed`, {
    next: `run it on ${primary}`,
  })

const primaryStays = (volume: string): HoldfastError =>
  new HoldfastError(
    'HF_POLICY',
    `this node is the primary of volume ${volume} and stays its member; nothing was changed`,
  )

function changeText(change: CharterChange, nameOf: (id: Uint8Array) => string): string {
  switch (change.type) {
    case 'found':
      return `mesh ${change.name} founded by ${change.node.name} (${change.node.region})`
    case 'admit':
      return `${change.admission.node.name} (${change.admission.node.region}) joined as ${change.admission.node.role}, invited by ${nameOf(change.admission.inviter)}`
    case 'remove':
      return `${nameOf(change.node)} removed`
    case 'set':
      return `${change.node.name} is now ${change.node.role} in ${change.node.region}`
  }
}

/** @throws HF_BAD_INPUT */
function checkName(name: string, fromDirectory: boolean): void {
  if (isName(name, VOLUME_NAME_BYTES_MAX)) return
  const whose = fromDirectory ? 'the name of the directory' : '--name'
  throw new HoldfastError('HF_BAD_INPUT', `${whose}, "${name}", cannot be a volume's; nothing was changed`, {
    next: `give --name with 1 to ${VOLUME_NAME_BYTES_MAX} bytes, without ":" and "/" and not beginning with "-"`,
  })
}

/** Members that are named must fit into the copies: more need the operator key, which `protect` does not ask for. @throws HF_BAD_INPUT */
function checkRoom(memberCount: number, copies: number): void {
  if (memberCount < copies) return
  const wanted = `${memberCount} members besides this node are ${memberCount + 1} copies`
  throw new HoldfastError('HF_BAD_INPUT', `${wanted}, not ${copies}; nothing was changed`, {
    next: `--copies ${memberCount + 1}, or fewer --member`,
  })
}

/** @throws HF_POLICY */
function checkSameCopies({ name, copies }: VolumeEntry, wanted: number | undefined): void {
  if (wanted === undefined || wanted === copies) return
  throw new HoldfastError('HF_POLICY', `volume ${name} was made with ${copies} copies; nothing was changed`, {
    next: 'leave --copies out to go on with it, or give another --name for a new volume',
  })
}

/** The directory without symbolic links, apart from the home and the drive. @throws HF_BAD_INPUT */
export function checkDirectory(directory: string, { home, drive }: { home: string; drive: string }): string {
  const refuse = (reason: string, next: string): HoldfastError =>
    new HoldfastError('HF_BAD_INPUT', `${directory} ${reason}; nothing was changed`, { next })
  let real: string
  try {
    real = fs.realpathSync(directory)
    if (!fs.statSync(real).isDirectory()) throw refuse('is not a directory', 'protect the directory that holds it')
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    const code = (cause as NodeJS.ErrnoException).code
    throw refuse(
      code === 'ENOENT' ? 'does not exist' : `cannot be read (${code ?? 'error'})`,
      'check the path and its permissions',
    )
  }
  for (const [what, own] of [
    ['home', home],
    ["node's drive", drive],
  ] as const) {
    const place = fs.realpathSync(own)
    if (isInside(real, place)) throw refuse(`is inside the ${what} ${place}`, 'protect a directory of your own data')
    if (isInside(place, real))
      throw refuse(
        `contains the ${what} ${place}, which would be captured into itself`,
        'protect a directory beside it',
      )
  }
  return real
}

function checkApart(directory: string, known: string, name: string | undefined): void {
  const volume = name === undefined ? 'a volume' : `volume ${name}`
  if (directory === known) {
    throw new HoldfastError(
      'HF_ALREADY_EXISTS',
      `${directory} is protected already, as ${volume}; nothing was changed`,
      {
        next: `holdfast status`,
      },
    )
  }
  const inside = isInside(directory, known)
  if (!inside && !isInside(known, directory)) return
  throw new HoldfastError(
    'HF_BAD_INPUT',
    `${directory} ${inside ? 'is inside' : 'contains'} ${known}, which is ${volume}; nothing was changed`,
    {
      next: inside ? 'it is protected already' : 'unprotect the inner one first, or protect its siblings',
    },
  )
}

/** Whether the first is the second, or lies in it. */
function isInside(directory: string, outer: string): boolean {
  const relative = path.relative(outer, directory)
  return relative === '' || (!relative.startsWith(`..${path.sep}`) && relative !== '..' && !path.isAbsolute(relative))
}
