import type { MemberStatus, NodeStatus, StatusAnswer, VolumeStatus } from '@holdfast/node/api'
import { SECOND_MS } from '@holdfast/ports'
import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printResult } from '../output.ts'
import { countText, filesText, sizeText } from '../text/sizes.ts'
import { tableLines } from '../text/table.ts'
import { parseMoment, spanText } from '../text/times.ts'

/** For people the status fits a terminal of this height. */
export const STATUS_LINES_MAX = 24

export const defineStatus: Define = (parent, start) => {
  parent
    .command('status')
    .description('what this node holds, who else holds it, and what would be lost if it burned now')
    .action(() => start(runStatus, {}))
}

/** Exit code 20 when a volume has fewer copies than its policy asks. */
export const runStatus: Run<GlobalOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const status = await node.status({}, { signal })
    await printResult(options, io, status, () => statusLines(status, io.clock.nowMs()))
    return status.volumes.some((volume) => volume.degraded) ? EXIT.degraded : EXIT.done
  })

/** At most `STATUS_LINES_MAX` lines. */
export function statusLines(status: StatusAnswer, nowMs: number): string[] {
  const lines = nodeLines(status.node)
  if (status.volumes.length === 0) lines.push('no volumes: holdfast protect DIR starts the first')
  const members =
    STATUS_LINES_MAX - lines.length >= status.volumes.reduce((sum, volume) => sum + 4 + volume.members.length, 0)
  for (const volume of status.volumes) lines.push(...volumeLines(volume, nowMs, members))
  if (lines.length <= STATUS_LINES_MAX) return lines
  const cut = lines.slice(0, STATUS_LINES_MAX - 1)
  return [...cut, `… ${lines.length - cut.length} more lines: --json has all of it`]
}

function nodeLines(node: NodeStatus): string[] {
  const drives = node.drives.map(
    (drive) => `${sizeText(drive.freeBytes)} free${drive.state === 'ok' ? '' : `, drive ${drive.state}`}`,
  )
  const lines = [
    `node ${node.name} in ${node.region}, up ${spanText(Math.round(node.uptimeSeconds) * SECOND_MS)}, ` +
      [`${sizeText(node.storedBytes)} stored`, ...drives, `${sizeText(node.rssBytes)} of memory`].join(', '),
  ]
  if (node.peers.length === 0) lines.push('no other node in the mesh: holdfast invite makes a token for one')
  else lines.push(`peers: ${node.peers.map(peerText).join(', ')}`)
  return lines
}

function peerText({ name, region, state, blamed }: NodeStatus['peers'][number]): string {
  const blame = blamed === undefined ? '' : `, sent something wrong ${blamed} times (holdfast peers)`
  return `${name} (${region}) ${state}${blame}`
}

function volumeLines(volume: VolumeStatus, nowMs: number, withMembers: boolean): string[] {
  if (volume.role === 'none')
    return ['', `${volume.name}: primary ${volume.primary}; this node holds nothing of it, and does not know how it is`]
  const place = volume.directory === undefined ? `primary ${volume.primary}` : `primary here, ${volume.directory}`
  const head =
    `${volume.name}: ${place}, epoch ${volume.epoch}, ${filesText(volume.files)}, ` +
    `${sizeText(volume.bytes)}, ${countText(volume.versions)} versions${volume.protected ? '' : ', no longer protected'}`
  const lines = ['', head, `  ${coverageText(volume, nowMs)}; ${riskText(volume)}`]
  if (volume.degraded) lines.push(`  degraded: ${volume.copies} of ${volume.copiesWanted} copies`)
  if (volume.unreadableCount > 0) lines.push(`  ${countText(volume.unreadableCount)} paths could not be read`)
  lines.push(...volume.warnings.map((warning) => `  ${warning}`))
  if (withMembers) return [...lines, ...memberLines(volume.members, volume.length)]
  const current = volume.members.filter((member) => member.state === 'current').length
  return [...lines, `  ${current} of ${volume.members.length} members current`]
}

export function memberLines(members: readonly MemberStatus[], length: number): string[] {
  const rows = members.map((member) => [
    `  ${member.node}`,
    member.region,
    member.role,
    member.voter ? 'voter' : 'no vote',
    member.state,
    lagText(member, length),
  ])
  return tableLines(rows)
}

function lagText(member: MemberStatus, length: number): string {
  if (member.completeLength >= length) return ''
  const span = member.lagSeconds === null ? '' : `${spanText(Math.round(member.lagSeconds * SECOND_MS))}, `
  return `${span}${countText(member.completeLength)} of ${countText(length)} blocks complete`
}

function coverageText({ coverage }: VolumeStatus, nowMs: number): string {
  if (coverage === null) return 'not yet walked to the end'
  return `captured up to ${spanText(Math.max(0, Math.round((nowMs - parseMoment(coverage, nowMs)) / SECOND_MS) * SECOND_MS))} ago`
}

/** What would be lost if the primary burned now. */
function riskText({ rpoSeconds, pendingBytes, primary, directory, files }: VolumeStatus): string {
  const subject = `if ${directory === undefined ? primary : 'this node'} burned now,`
  if (rpoSeconds === null)
    return files === 0
      ? `${subject} nothing would be lost`
      : `${subject} all of it would be lost: no other member has it`
  if (rpoSeconds === 0 && pendingBytes === 0) return `${subject} nothing would be lost`
  return `${subject} the changes of the last ${spanText(Math.ceil(rpoSeconds) * SECOND_MS)} (${sizeText(pendingBytes)}) would be lost`
}
