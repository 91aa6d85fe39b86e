/** A TCP proxy that counts: put between two nodes (one announces the proxy's address) it tells what really went over the wire. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'

export class CountingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target = 0
  #bytes = 0
  #watchers: { readonly bytes: number; readonly reached: () => void }[] = []

  private constructor() {
    this.#server = createServer((inbound) => this.#join(inbound))
  }

  /** Listens on a loopback port picked by the system. */
  static async open(): Promise<CountingProxy> {
    const proxy = new CountingProxy()
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  /** `host:port` to announce. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Where connections go from now on: a port on 127.0.0.1. */
  forwardTo(port: number): void {
    this.#target = port
  }

  /** Bytes of both directions since the last `reset`. */
  get bytes(): number {
    return this.#bytes
  }

  reset(): void {
    this.#bytes = 0
  }

  /** Resolves once `bytes` have passed since the last `reset`. */
  async passed(bytes: number): Promise<void> {
    if (this.#bytes >= bytes) return
    await new Promise<void>((reached) => this.#watchers.push({ bytes, reached }))
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #join(inbound: Socket): void {
    const outbound = connect(this.#target, '127.0.0.1')
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.on('data', (chunk: Buffer) => this.#count(chunk.length))
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    const due = this.#watchers.filter((watcher) => this.#bytes >= watcher.bytes)
    this.#watchers = this.#watchers.filter((watcher) => !due.includes(watcher))
    for (const watcher of due) watcher.reached()
  }
}
