import net from 'node:net'
import { HoldfastError } from '@holdfast/ports'

/** Ports tried upwards from one that is taken. */
const PORTS_TRIED_MAX = 100

/** A `host:port` on which a node can listen now. Port 0: any free one, chosen now. `search`: if it is taken, the next free one.
 *  @throws HF_PORT_TAKEN, HF_BAD_INPUT if the host is not this machine's */
export async function claimableAddress(address: string, search: boolean): Promise<string> {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
  const first = Number(address.slice(colon + 1))
  for (let port = first; port <= Math.min(65535, first + PORTS_TRIED_MAX); port++) {
    try {
      return `${address.slice(0, colon)}:${await tryListen(host, port)}`
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code
      if (code === 'EADDRINUSE' && search) continue
      if (code === 'EADDRINUSE' || code === 'EACCES') {
        throw new HoldfastError(
          'HF_PORT_TAKEN',
          `${address} ${code === 'EACCES' ? 'may not be used by this user' : 'is in use by another program'}; nothing was changed`,
          {
            cause,
            next: 'give another one with --listen HOST:PORT',
          },
        )
      }
      throw new HoldfastError('HF_BAD_INPUT', `cannot listen on ${address} (${code ?? 'error'}); nothing was changed`, {
        cause,
        next: 'give an address of this machine with --listen HOST:PORT',
      })
    }
  }
  throw new HoldfastError('HF_PORT_TAKEN', `no free port from ${address} upwards; nothing was changed`, {
    next: 'give another one with --listen HOST:PORT',
  })
}

function tryListen(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : port))
    })
  })
}
