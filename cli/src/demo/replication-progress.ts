import type { NodeClient, WorkEvent } from '@holdfast/node/api'
import { HoldfastError, SECOND_MS, type Clock } from '@holdfast/ports'
import { pause } from '../connect.ts'

const LOOK_EVERY_MS = SECOND_MS / 4

/** Ends when `copies` members hold everything up to the head. The bytes are estimated from the share of journal blocks that are complete. */
export async function* replication(
  client: NodeClient,
  volume: string,
  copies: number,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<WorkEvent<object>> {
  for (;;) {
    const status = (await client.status({}, { signal })).volumes.find((each) => each.name === volume)
    if (status === undefined) throw new HoldfastError('HF_NOT_FOUND', `volume ${volume} is gone`)
    const others = status.members.filter((member) => member.role !== 'primary')
    const shares = others.map((member) =>
      status.length === 0 ? 0 : Math.min(1, member.completeLength / status.length),
    )
    const done = shares.reduce((sum, share) => sum + share, 0)
    if (shares.filter((share) => share === 1).length >= copies - 1) break
    yield {
      message_type: 'status',
      phase: 'replicating',
      bytesDone: Math.round(done * status.bytes),
      bytesTotal: (copies - 1) * status.bytes,
      filesDone: Math.round(done * status.files),
      filesTotal: (copies - 1) * status.files,
      errorCount: 0,
    }
    await pause(clock, LOOK_EVERY_MS, signal)
  }
  yield { message_type: 'summary' }
}
