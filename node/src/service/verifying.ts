import { asChunkId, hexOf } from '@holdfast/ports'
import type { BadFrame } from '@holdfast/store-pack'
import { VOLUMES_PER_PEER_MAX } from '@holdfast/replication'
import { z } from 'zod'
import type { NodeService } from '../api/service.ts'
import type { RepairIndexSummary, VerifySummary } from '../api/volume-messages.ts'
import type { WorkEvent } from '../api/work.ts'
import type { Volume } from '../volumes/volume.ts'
import { EventQueue } from './event-queue.ts'
import { lostContent } from './lost-versions.ts'
import type { ServiceParts } from './parts.ts'

/** Method by which a node asks another to verify what it holds. */
export const VERIFY_METHOD = 'verify'
/** Bad frames that are named one by one. */
export const FINDINGS_NAMED_MAX = 100

type NodeVerify = VerifySummary['nodes'][number]

/** Checks what is stored, here or on every member, and makes the indexes anew. */
export function createVerifying(
  parts: ServiceParts,
  reopenAll: () => Promise<{ versions: number; journalBlocks: number }>,
): Pick<NodeService, 'verify' | 'repairIndex'> & { answerVerify: (body: Uint8Array) => Promise<Uint8Array> } {
  const { store, volumes, clock, authority, replication } = parts

  /** A chunk that was healed lies elsewhere now; its damaged frame is dead and says nothing of what is held. */
  const isReplaced = ({ entry, pack, offset }: BadFrame): boolean => {
    const held = entry?.kind === 'chunk' ? store.locate(entry.volume, asChunkId(entry.id)) : undefined
    return held !== undefined && (held.pack !== pack || held.offset !== offset)
  }

  const verifyHere = async (
    wanted: readonly Volume[],
    readData: boolean,
    signal: AbortSignal,
    events?: EventQueue<WorkEvent<VerifySummary>>,
  ): Promise<NodeVerify> => {
    const report = await store.verify({
      readData,
      signal,
      onProgress: ({ doneBytes, totalBytes }) =>
        events?.status({
          message_type: 'status',
          phase: 'verifying',
          bytesDone: doneBytes,
          bytesTotal: totalBytes,
          filesDone: 0,
          errorCount: 0,
        }),
    })
    const damage = report.bad.filter((bad) => !isReplaced(bad))
    for (const bad of damage.slice(0, FINDINGS_NAMED_MAX)) {
      events?.push({
        message_type: 'error',
        hf_code: 'HF_PACK_CORRUPT',
        message: `pack ${bad.pack} at byte ${bad.offset}: ${bad.reason === 'body' ? 'a chunk or journal frame fails its check' : `${bad.reason} of a frame`}`,
      })
    }
    let journalBlocks = 0
    for (const volume of wanted) {
      await volume.recheck()
      journalBlocks += volume.log.head().length
    }
    const healedCount = await parts.heal(wanted, signal)
    if (events !== undefined)
      for (const volume of wanted) for await (const finding of lostContent(volume, store, signal)) events.push(finding)
    return {
      node: authority.nameOf(parts.self),
      chunks: report.chunks,
      bytes: report.checkedBytes,
      journalBlocks,
      missingCount: wanted.reduce((sum, volume) => sum + volume.completeness.missingCount, 0),
      corruptCount: damage.length + report.badFrames - report.bad.length,
      healedCount,
    }
  }

  return {
    async *verify({ volume: name, readData, mesh }, { signal }) {
      const startedMs = clock.monotonicMs()
      const wanted = name === undefined ? volumes.list() : [volumes.find(name)]
      const events = new EventQueue<WorkEvent<VerifySummary>>(signal)
      const work = (async () => {
        const nodes = [await verifyHere(wanted, readData, events.signal, events)]
        if (mesh) {
          for (const peer of replication.peers()) {
            try {
              const body = Buffer.from(JSON.stringify({ volumes: wanted.map((volume) => hexOf(volume.id)), readData }))
              const answer = await replication.call(peer.peer, VERIFY_METHOD, body, {
                signal: events.signal,
                timeoutMs: 3_600_000,
              })
              nodes.push(nodeVerifySchema.parse(JSON.parse(Buffer.from(answer).toString())))
            } catch (error) {
              const message = `${authority.nameOf(peer.peer)} could not be asked: ${error instanceof Error ? error.message : String(error)}`
              events.push({ message_type: 'error', hf_code: 'HF_PEER_UNREACHABLE', message })
            }
          }
        }
        return { message_type: 'summary' as const, seconds: (clock.monotonicMs() - startedMs) / 1000, nodes }
      })()
      yield* events.drain(work)
    },

    async *repairIndex(_request, { signal }) {
      const startedMs = clock.monotonicMs()
      const events = new EventQueue<WorkEvent<RepairIndexSummary>>(signal)
      const work = (async () => {
        const report = await store.rebuildIndex(({ doneBytes, totalBytes }) =>
          events.status({
            message_type: 'status',
            phase: 'reading packs',
            bytesDone: doneBytes,
            bytesTotal: totalBytes,
            filesDone: 0,
            errorCount: 0,
          }),
        )
        events.status({
          message_type: 'status',
          phase: 'rebuilding the catalog',
          bytesDone: 0,
          filesDone: 0,
          errorCount: report.badFrames,
        })
        const { versions, journalBlocks } = await reopenAll()
        return {
          message_type: 'summary' as const,
          chunks: report.chunks,
          journalBlocks,
          versions,
          badFrames: report.badFrames,
          seconds: (clock.monotonicMs() - startedMs) / 1000,
        }
      })()
      yield* events.drain(work)
    },

    async answerVerify(body) {
      const request = verifyCallSchema.parse(JSON.parse(Buffer.from(body).toString()))
      const wanted = volumes.list().filter((volume) => request.volumes.includes(hexOf(volume.id)))
      const result = await verifyHere(wanted, request.readData, new AbortController().signal)
      return Buffer.from(JSON.stringify(result))
    },
  }
}

const verifyCallSchema = z.strictObject({
  volumes: z.array(z.string().max(64)).max(VOLUMES_PER_PEER_MAX),
  readData: z.boolean(),
})
const count = z.number().int().min(0)
const nodeVerifySchema = z.object({
  node: z.string(),
  chunks: count,
  bytes: count,
  journalBlocks: count,
  missingCount: count,
  corruptCount: count,
  healedCount: count,
})
