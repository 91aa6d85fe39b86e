/** Serves chunks to members of their volume, in the order asked. The next request is read when the one before is answered. */
import { equalBytes, hasCode, hexOf } from '@holdfast/ports'
import type { ChunkId, ChunkStore, MessageStream, VolumeId } from '@holdfast/ports'
import { CHUNK_BYTES_MAX, CHUNK_SLICE_BYTES_MAX, decodeChunkRequest, encodeChunkAnswer } from '@holdfast/replication'
import type { PeerTable } from './peer-table.ts'
import type { ReplicationLog, VolumeRegistry } from './types.ts'

export interface ChunkServerOptions {
  readonly store: ChunkStore
  readonly volumes: VolumeRegistry
  readonly table: PeerTable
  readonly log: ReplicationLog
}

export class ChunkServer {
  readonly #options: ChunkServerOptions

  constructor(options: ChunkServerOptions) {
    this.#options = options
  }

  async serve(stream: MessageStream, signal: AbortSignal): Promise<void> {
    const { table } = this.#options
    for (let m = await stream.receive({ signal }); m; m = await stream.receive({ signal })) {
      table.heard(stream.peer)
      const { volume, first, ids } = decodeChunkRequest(m)
      // One chunk is read from disk while the one before it is sent.
      let next = this.#read(stream, volume, ids[0], signal)
      for (const index of ids.keys()) {
        const bytes = await next
        next = this.#read(stream, volume, ids[index + 1], signal)
        await this.#answer(stream, first + index, bytes, signal)
      }
    }
  }

  async #read(
    { peer }: MessageStream,
    volumeId: VolumeId,
    id: ChunkId | undefined,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { volumes, store, log } = this.#options
    const member = volumes.get(volumeId)?.members.some((m) => equalBytes(m.node, peer)) === true
    if (!member || !id) return undefined
    try {
      return await store.get(volumeId, id, { signal })
    } catch (error) {
      if (!hasCode(error, 'HF_ABORTED')) log.debug({ err: error, chunk: hexOf(id) }, 'a chunk cannot be served')
      return undefined
    }
  }

  async #answer(
    stream: MessageStream,
    number: number,
    bytes: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (!bytes || bytes.byteLength === 0 || bytes.byteLength > CHUNK_BYTES_MAX) {
      await stream.send(encodeChunkAnswer({ type: 'missing', number }), { signal })
      return
    }
    const totalBytes = bytes.byteLength
    for (let offset = 0; offset < totalBytes; offset += CHUNK_SLICE_BYTES_MAX) {
      const slice = bytes.subarray(offset, offset + CHUNK_SLICE_BYTES_MAX)
      await stream.send(encodeChunkAnswer({ type: 'slice', number, totalBytes, offset, bytes: slice }), { signal })
    }
    this.#options.table.sent(stream.peer, totalBytes)
  }
}
