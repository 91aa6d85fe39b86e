/** Entry of a worker thread: composes the engine over its port, the drive and the shared table. */
import { parentPort, workerData } from 'node:worker_threads'
import { openSegmentTable } from '@holdfast/sealing'
import { createPackWriter, openFsDrive, packNumberClaims } from '@holdfast/store-pack'
import { IngestEngine } from './ingest-engine.ts'
import type { FromWorker, ToWorker, WorkerData } from './messages.ts'

const port = parentPort
if (port === null) throw new TypeError('this module is started as a worker thread')
const { worker, table, driveDirectory, packNumbers, reserveBytes } = workerData as WorkerData

const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)

const engine = new IngestEngine({
  worker,
  table: openSegmentTable(table),
  packs: createPackWriter({
    drive: openFsDrive(driveDirectory),
    claimPackNumber: packNumberClaims(packNumbers),
    reserveBytes,
  }),
  clock: { monotonicMs: () => performance.now() },
  post(message, transfer) {
    post(message, transfer)
    if (message.type === 'stopped') port.close()
  },
  breathe: () => new Promise((resolve) => setImmediate(resolve)),
})
port.on('message', (message: ToWorker) => engine.receive(message))
post({ type: 'ready' })
