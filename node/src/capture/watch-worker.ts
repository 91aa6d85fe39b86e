/** The thread that watches the trees of all volumes: it only empties queues, so that they do not overflow. */
import { parentPort } from 'node:worker_threads'
import type { FromWatcher, ToWatcher } from './messages.ts'
import { Watched } from './watched.ts'

const port = parentPort
if (port === null) throw new TypeError('this file is for a worker thread')

const volumes = new Map<number, Watched>()

const send = (message: FromWatcher): void => port.postMessage(message)

port.on('message', (message: ToWatcher) => {
  if (message.type === 'stop') {
    for (const opened of volumes.values()) void opened.close()
    port.close()
    return
  }
  const watched = volumes.get(message.volume)
  switch (message.type) {
    case 'open': {
      const opened = new Watched(message.volume, send)
      volumes.set(message.volume, opened)
      void opened.open(message.root, message.exclude)
      return
    }
    case 'taken':
      watched?.taken()
      return
    case 'refresh':
      watched?.refresh()
      return
    case 'close':
      volumes.delete(message.volume)
      void watched?.close()
  }
})
