import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '@holdfast/ports'
import { initNode, joinNode } from '../../src/new-node.ts'
import { type RunningNode, startNode } from '../../src/node.ts'
import { createSystemClock } from '../../src/system/index.ts'

const ANSWER_MS_MAX = 20_000

/** A node in this process, whose wall clock is set by the test. */
class SteppedNode {
  readonly name: string
  readonly home: string
  aheadMs = 0
  #running: RunningNode | undefined

  constructor(name: string, directory: string) {
    this.name = name
    this.home = join(directory, name)
  }

  async start(): Promise<void> {
    const system = createSystemClock()
    const clock = { ...system, nowMs: () => system.nowMs() + this.aheadMs }
    const options = { home: this.home, verbosity: 0, version: '0.0.0', environment: {}, clock } as const
    this.#running = await startNode(options, new AbortController().signal)
  }

  async stop(): Promise<void> {
    await this.#running?.stop()
    this.#running = undefined
  }

  /** Calls a method of the control API; the last line of the answer, and all of them. */
  async call(method: string, body: object): Promise<{ last: Line; lines: Line[] }> {
    const socketPath = this.#running?.api
    assert.ok(socketPath !== undefined)
    const headers = { 'holdfast-api': '1', 'content-type': 'application/json' }
    const answered = await new Promise<string>((resolve, reject) => {
      const call = request({ socketPath, path: `/v1/${method}`, method: 'POST', headers }, (answer) => {
        text(answer).then(resolve, reject)
      })
      call.setTimeout(ANSWER_MS_MAX, () => call.destroy(new Error(`${this.name} does not answer ${method}`)))
      call.on('error', reject)
      call.end(JSON.stringify(body))
    })
    const lines = answered
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
    return { last: lines.at(-1) ?? {}, lines }
  }
}

interface Line {
  readonly message_type?: string
  readonly message?: string
  readonly token?: string
  readonly volumes?: readonly { readonly coverage?: string; readonly members?: readonly { readonly state: string }[] }[]
  readonly entry?: { readonly seq: number; readonly time: string; readonly kind: string; readonly size?: number }
}

describe('three nodes whose clocks are set', function () {
  this.timeout(60_000)
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-clocks-'))
  const data = join(directory, 'data')
  const nodes = ['a', 'b', 'c'].map((name) => new SteppedNode(name, directory))
  const [a, b, c] = nodes as [SteppedNode, SteppedNode, SteppedNode]

  before(async () => {
    mkdirSync(data)
    writeFileSync(join(data, 'file'), '')
    const where = { listen: '127.0.0.1:0' }
    await initNode({ ...where, home: a.home, name: a.name }, () => Promise.resolve())
    await a.start()
    for (const node of [b, c]) {
      const { last } = await a.call('invite', { ttlMs: HOUR_MS, role: 'full' })
      const joining = { ...where, home: node.home, name: node.name, token: last.token ?? '' }
      await joinNode(joining, new AbortController().signal)
      await node.start()
    }
    await a.call('protect', { directory: data, name: 'data' })
  })
  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    rmSync(directory, { recursive: true })
  })

  /** Writes the next version, of as many bytes as its number, and has it acknowledged. */
  let versions = 0
  const edit = async (when: string): Promise<void> => {
    writeFileSync(join(data, 'file'), 'x'.repeat(++versions))
    const { last } = await a.call('flush', { volume: 'data', level: 'quorum', timeoutMs: ANSWER_MS_MAX / 2 })
    assert.equal(last.message_type, 'summary', `${when}: ${last.message}`)
  }

  it('by a minute, an hour and a year, either way, change no order and lose nothing; nobody falls silent', async () => {
    await edit('at first')
    for (const node of nodes)
      for (const stepMs of [MINUTE_MS, HOUR_MS, 365 * DAY_MS].flatMap((ms) => [ms, -ms, -ms, ms])) {
        node.aheadMs += stepMs
        await edit(`the clock of ${node.name} was set by ${stepMs} ms`)
        const { volumes = [] } = (await a.call('status', {})).last
        const states = volumes[0]?.members?.map(({ state }) => state) ?? []
        assert.equal(states.length, 3)
        assert.ok(!states.includes('unreachable'), states.join())
        const coverageMs = Date.parse(volumes[0]?.coverage ?? '')
        const ageMs = Date.now() + a.aheadMs - coverageMs
        assert.ok(ageMs >= -1000 && ageMs < ANSWER_MS_MAX, `coverage is ${ageMs} ms old`)
      }
    // A primary that starts a year in the past knows from its journal that it is later.
    a.aheadMs = -365 * DAY_MS
    await a.stop()
    await a.start()
    await edit('started in the past')

    for (const node of nodes) {
      const { lines } = await node.call('log', { volume: 'data', path: 'file' })
      const entries = lines.flatMap(({ entry }) => entry ?? []).toReversed()
      const sizes = entries.map(({ size }) => size)
      const times = entries.map(({ time }) => time)
      assert.deepEqual(times, times.toSorted(), `${node.name} shows times that go back`)
      assert.deepEqual(
        sizes,
        sizes.toSorted((x, y) => (x ?? 0) - (y ?? 0)),
        `${node.name} shows another order`,
      )
      const shown = new Set(sizes)
      const wanted = Array.from({ length: node === a ? versions : versions - 1 }, (_, index) => index + 1)
      assert.deepEqual(
        wanted.filter((size) => !shown.has(size)),
        [],
        `${node.name} lacks versions`,
      )
    }
  })
})
