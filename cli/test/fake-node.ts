import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApiServer, type ApiServer } from '@holdfast/node/api/server'
import type { ListEvent, NodeService } from '@holdfast/node/api'
import { realClock, run, type MemoryIoOptions, type Ran } from './memory-io.ts'

/** A home in which the real API listens for a service made by the test. */
export class FakeNode {
  readonly home: string
  readonly #server: ApiServer
  /** What the service was asked, in order. */
  readonly calls: { readonly method: string; readonly request: unknown }[] = []

  private constructor(home: string) {
    this.home = home
    this.#server = createApiServer({ home, version: '0.0.0', clock: realClock })
  }

  static async start(): Promise<FakeNode> {
    const home = makeHome()
    const node = new FakeNode(home)
    await node.#server.start()
    return node
  }

  /** Methods left out fail as a defect does. */
  serve(methods: Partial<NodeService>): void {
    this.calls.length = 0
    const recorded = Object.entries(methods).map(([method, implementation]) => [
      method,
      (request: unknown, call: unknown) => {
        this.calls.push({ method, request })
        return (implementation as (...args: unknown[]) => unknown)(request, call)
      },
    ])
    this.#server.serve(Object.fromEntries(recorded) as NodeService)
  }

  run(args: readonly string[], options: MemoryIoOptions & { signal?: AbortSignal } = {}): Promise<Ran> {
    return run([...args, '--home', this.home], options)
  }

  async stop(): Promise<void> {
    await this.#server.stop()
    rmSync(this.home, { recursive: true, force: true })
  }
}

/** A directory that looks like a home. */
export function makeHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'hf-cli-'))
  writeFileSync(join(home, 'identity'), '')
  return home
}

/** The events of long work, as a service would make them. */
export async function* events<Event>(...list: readonly Event[]): AsyncGenerator<Event> {
  yield* list
}

/** A listing of these entries, after a notice if there is one. */
export async function* listing<Entry>(entries: readonly Entry[], notice?: string): AsyncGenerator<ListEvent<Entry>> {
  if (notice !== undefined) yield { message_type: 'notice', message: notice }
  for (const entry of entries) yield { message_type: 'entry', entry }
  yield { message_type: 'summary', count: entries.length }
}

/** Long work that fails at once. */
export function failing(error: Error): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) }
}
