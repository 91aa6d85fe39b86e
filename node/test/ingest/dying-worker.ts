/** The ingest worker, but for a path called `fatal`: with it the thread ends at once, as for want of memory. */
import { parentPort } from 'node:worker_threads'
import type { ToWorker } from '../../src/ingest/messages.ts'
import { pathsOf } from '../../src/ingest/messages.ts'

// First, so that no message is missed by the worker.
await import('../../src/ingest/ingest-worker.ts')
parentPort?.on('message', (message: ToWorker) => {
  if (message.type !== 'batch') return
  for (const path of pathsOf(message.batch)) if (Buffer.from(path).toString() === 'fatal') process.exit(7)
})
