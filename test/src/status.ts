/** What `status --json` says, as scripts rely on it, and waiting until it says something. */
import { expectExit, jsonOf, type TestNode } from './holdfast.ts'

/** Exit code of `status` when a volume has fewer copies than it asks for. */
const DEGRADED = 20

export interface MemberStatus {
  readonly node: string
  readonly region: string
  readonly state: string
  readonly role: string
  readonly acceptedLength: number
  readonly completeLength: number
}

export interface VolumeStatus {
  readonly name: string
  readonly id: string
  readonly role: string
  readonly epoch: number
  readonly length: number
  readonly seq: number
  readonly primary: string
  readonly files: number
  readonly bytes: number
  readonly versions: number
  readonly pendingBytes: number
  readonly pendingChanges: number
  readonly warnings: readonly string[]
  readonly degraded: boolean
  readonly members: readonly MemberStatus[]
}

export interface Status {
  readonly node: {
    readonly name: string
    readonly region: string
    readonly storedBytes: number
    readonly rssBytes: number
    readonly heapBytes: number
    readonly uptimeSeconds: number
  }
  readonly volumes: readonly VolumeStatus[]
}

/** The volume as this node sees it. @throws Error if it knows none of that name */
export async function volumeStatus(node: TestNode, name: string): Promise<VolumeStatus> {
  const status = jsonOf<Status>(expectExit(await node.run(['status', '--json']), 0, DEGRADED))
  const volume = status.volumes.find((each) => each.name === name)
  if (volume === undefined) throw new Error(`${node.name} knows no volume ${name}: ${JSON.stringify(status)}`)
  return volume
}

/** How long a mesh may take to settle after the last change, ms. */
export const SETTLE_TIMEOUT_MS = 60_000

/** Asks again until the answer is accepted; a process start between two questions is what paces it.
 *  @throws Error with the last answer after `timeoutMs` */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  accepted: (answer: T) => boolean,
  timeoutMs = SETTLE_TIMEOUT_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (accepted(answer)) return answer
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}; last: ${JSON.stringify(answer)}`)
  }
}

/** Waits until every one of `count` members of the volume holds everything that the primary has, as `node` sees it. */
export async function untilComplete(node: TestNode, name: string, count: number): Promise<VolumeStatus> {
  return await until(
    `${count} members of ${name} are complete`,
    () => volumeStatus(node, name),
    ({ members }) => {
      const longest = Math.max(...members.map((member) => member.acceptedLength))
      return members.length === count && longest > 0 && members.every((member) => member.completeLength === longest)
    },
  )
}
