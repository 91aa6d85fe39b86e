import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { Agent, request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createManualClock } from '@holdfast/doubles'
import { HoldfastError } from '@holdfast/ports'
import { API_CALLS_MAX, API_STOP_GRACE_MS, createApiServer, type ApiServer } from '../../src/api/server.ts'
import { END_TRAILER, VERSION_HEADER, type NodeService } from '../../src/api/index.ts'

/** `Promise.withResolvers` of later runtimes. */
function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: ((value: Value) => void) | undefined
  const promise = new Promise<Value>((settle) => (resolve = settle))
  return { promise, resolve: (value) => resolve?.(value) }
}

/** Only the methods a test needs; calling another fails as a defect does. */
const serviceOf = (methods: Partial<NodeService>): NodeService => methods as NodeService

describe('control API on its socket', () => {
  let home: string
  let server: ApiServer
  const agent = new Agent({ keepAlive: true })
  const failures: string[] = []
  const clock = createManualClock()

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'hf-api-'))
    failures.length = 0
    server = createApiServer({
      home,
      version: '0.0.0',
      clock,
      onFailure: (method, error) => failures.push(`${method} ${error.code}`),
    })
    await server.start()
  })
  afterEach(async () => {
    await server.stop()
    rmSync(home, { recursive: true })
  })
  after(() => agent.destroy())

  interface Sent {
    readonly method?: string
    readonly body?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly signal?: AbortSignal
  }
  async function send(path: string, sent: Sent = {}): Promise<IncomingMessage> {
    const headers = { [VERSION_HEADER]: '1', 'content-type': 'application/json', ...sent.headers }
    const call = request({
      agent,
      socketPath: server.path,
      path,
      method: sent.method ?? 'POST',
      headers,
      ...(sent.signal ? { signal: sent.signal } : {}),
    })
    call.end(sent.body ?? '{}')
    const [response] = (await once(call, 'response')) as [IncomingMessage]
    return response
  }
  async function answer(path: string, sent?: Sent): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await send(path, sent)
    return {
      status: response.statusCode ?? 0,
      body: JSON.parse(String(await buffer(response))) as Record<string, unknown>,
    }
  }
  async function lines(path: string, sent?: Sent): Promise<Record<string, unknown>[]> {
    const text = String(await buffer(await send(path, sent)))
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
  const ls = JSON.stringify({ volume: 'v', path: '', recursive: true })
  const cat = JSON.stringify({ volume: 'v', path: 'file' })

  it('may be opened by the user of the node alone', () => {
    assert.equal(statSync(server.path).mode & 0o777, 0o600)
  })

  it('nor before that is so: it is made like that, whatever the umask', async () => {
    await server.stop()
    const before = process.umask(0)
    try {
      const other = createApiServer({ home, version: '0.0.0', clock })
      await other.start()
      assert.equal(statSync(other.path).mode & 0o777, 0o600)
      assert.equal(process.umask(), 0, 'and the umask is as it was')
      await other.stop()
    } finally {
      process.umask(before)
    }
  })

  it('says who answers while the node is starting, and refuses the rest until it serves', async () => {
    const about = await answer('/v1/about')
    assert.deepEqual([about.status, about.body['state'], about.body['pid']], [200, 'starting', process.pid])
    const early = await answer('/v1/peers')
    assert.deepEqual([early.status, early.body['hf_code'], early.body['retryable']], [503, 'HF_NOT_RUNNING', true])
    server.serve(serviceOf({ peers: () => Promise.resolve([]) }))
    assert.equal((await answer('/v1/about')).body['state'], 'ready')
    assert.equal((await answer('/v1/peers')).status, 200)
  })

  it('refuses another version, another method, an unknown member, what is not JSON, and what is too large', async () => {
    server.serve(serviceOf({}))
    for (const [path, sent, says] of [
      ['/v1/status', { headers: { [VERSION_HEADER]: '2' } }, /versions 1 to 1/],
      ['/v1/status', { headers: { [VERSION_HEADER]: '' } }, /versions 1 to 1/],
      ['/v1/stauts', {}, /no method/],
      ['/v1/status', { method: 'GET', body: '' }, /no method/],
      ['/v1/status', { body: '{"sudo":true}' }, /sudo/],
      ['/v1/ls', { body: '{"volume":"v","path":"../x","recursive":false}' }, /^path: .*\.\./],
      ['/v1/ls', { body: 'not json' }, /JSON/i],
      ['/v1/ls', { body: '<x/>', headers: { 'content-type': 'text/xml' } }, /media type/i],
      ['/v1/ls', { body: JSON.stringify({ volume: 'v'.repeat(70_000) }) }, /large/],
    ] as const) {
      const { status, body } = await answer(path, sent)
      assert.equal(status, 400, `${path} ${JSON.stringify(body)}`)
      assert.equal(body['hf_code'], 'HF_BAD_INPUT')
      assert.match(String(body['message']), says)
    }
  })

  it('errors of the service keep code, message, next step and whether to try again; others are defects', async () => {
    server.serve(
      serviceOf({
        status: () =>
          Promise.reject(
            new HoldfastError('HF_NOT_FOUND', 'no volume "dtaa"', { next: 'data is near', retryable: true }),
          ),
        peers: () => {
          throw new TypeError('oops')
        },
      }),
    )
    assert.deepEqual(await answer('/v1/status'), {
      status: 404,
      body: { hf_code: 'HF_NOT_FOUND', message: 'no volume "dtaa"', next: 'data is near', retryable: true },
    })
    const defect = await answer('/v1/peers')
    assert.deepEqual([defect.status, defect.body['hf_code']], [500, 'HF_INTERNAL'])
    assert.deepEqual(failures, ['/v1/status HF_NOT_FOUND', '/v1/peers HF_INTERNAL'])
  })

  it('long answers come in lines; an error on the way is the last of them', async () => {
    server.serve(
      serviceOf({
        async *repairIndex() {
          yield { message_type: 'status', phase: 'reading', bytesDone: 1, filesDone: 0, errorCount: 0 }
          throw new HoldfastError('HF_DRIVE_FAILED', 'the drive is gone')
        },
      }),
    )
    const [first, last] = await lines('/v1/repairIndex')
    assert.equal(first?.['message_type'], 'status')
    assert.deepEqual([last?.['message_type'], last?.['hf_code']], ['exit_error', 'HF_DRIVE_FAILED'])
    assert.deepEqual(failures, ['repairIndex HF_DRIVE_FAILED'])
  })

  it('a client that does not read holds the work back', async () => {
    let made = 0
    const entry = {
      path: 'x'.repeat(1000),
      type: 'file',
      mode: '0644',
      uid: 0,
      gid: 0,
      size: 0,
      mtime: '',
      seq: 1,
      time: '',
    } as const
    server.serve(
      serviceOf({
        async *ls() {
          for (; made < 20_000; made++) yield { message_type: 'entry', entry }
          yield { message_type: 'summary', count: made }
        },
      }),
    )
    const response = await send('/v1/ls', { body: ls })
    response.pause()
    // The kernel's and both streams' buffers fill; then nothing moves however long one waits.
    let before = -1
    while (made !== before) {
      before = made
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(made < 5000, `${made} KB were made for a client that reads nothing`)
    const text = String(await buffer(response))
    assert.equal(text.split('\n').length, 20_002)
  })

  it('a client that goes away aborts the work', async () => {
    const aborted = deferred<void>()
    server.serve(
      serviceOf({
        async *ls(_request, { signal }) {
          yield { message_type: 'notice', message: 'begun' }
          await new Promise((_, reject) =>
            signal.addEventListener('abort', () => reject(new HoldfastError('HF_ABORTED', 'aborted'))),
          )
          yield { message_type: 'summary', count: 0 }
        },
        status: (_request, { signal }) =>
          new Promise((_, reject) =>
            signal.addEventListener('abort', () => {
              aborted.resolve()
              reject(new HoldfastError('HF_ABORTED', 'aborted'))
            }),
          ),
      }),
    )
    const response = await send('/v1/ls', { body: ls })
    response.on('error', () => undefined)
    await once(response, 'data')
    response.destroy()
    const gone = new AbortController()
    const waiting = send('/v1/status', { signal: gone.signal })
    await new Promise((resolve) => setImmediate(resolve))
    while (failures.length === 0) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(failures, ['ls HF_ABORTED'])
    gone.abort()
    await assert.rejects(waiting)
    await aborted.promise
  })

  it('bytes end with a trailer that says whether they are all', async () => {
    let fail = false
    async function* bytes(): AsyncGenerator<Uint8Array> {
      const shared = new Uint8Array(3)
      for (const value of [1, 2]) yield shared.fill(value)
      if (fail) throw new HoldfastError('HF_CHUNK_MISSING', 'größer als gedacht', { next: 'wait' })
    }
    server.serve(serviceOf({ cat: () => Promise.resolve({ size: 6, notices: ['früher'], bytes: bytes() }) }))
    const good = await send('/v1/cat', { body: cat })
    assert.deepEqual([...(await buffer(good))], [1, 1, 1, 2, 2, 2])
    assert.equal(good.headers['holdfast-size'], '6')
    assert.equal(decodeURIComponent(String(good.headers['holdfast-notices'])), '["früher"]')
    assert.equal(good.trailers[END_TRAILER], 'complete')
    fail = true
    const bad = await send('/v1/cat', { body: cat })
    assert.equal((await buffer(bad)).byteLength, 6)
    const error = JSON.parse(decodeURIComponent(bad.trailers[END_TRAILER] ?? '')) as Record<string, unknown>
    assert.deepEqual(error, {
      hf_code: 'HF_CHUNK_MISSING',
      message: 'größer als gedacht',
      next: 'wait',
      retryable: false,
    })
  })

  it('more calls at one time than the limit are refused as busy', async () => {
    const open = deferred<readonly []>()
    const full = deferred<void>()
    let callCount = 0
    server.serve(
      serviceOf({
        peers: () => {
          if (++callCount === API_CALLS_MAX) full.resolve()
          return open.promise
        },
      }),
    )
    const waiting = Array.from({ length: API_CALLS_MAX }, () => answer('/v1/peers'))
    await full.promise
    const { status, body } = await answer('/v1/peers')
    assert.deepEqual([status, body['hf_code'], body['retryable']], [429, 'HF_BUSY', true])
    open.resolve([])
    for (const each of await Promise.all(waiting)) assert.equal(each.status, 200)
    assert.equal((await answer('/v1/peers')).status, 200)
  })

  it('stop cuts off a call that does not heed the abort, after a grace', async () => {
    const begun = deferred<void>()
    server.serve(serviceOf({ peers: () => (begun.resolve(), new Promise(() => undefined)) }))
    const waiting = assert.rejects(send('/v1/peers'))
    await begun.promise
    const stopped = server.stop()
    await clock.advance(API_STOP_GRACE_MS)
    await stopped
    await waiting
  })

  it('stop aborts what is in progress, says so, and takes the socket away', async () => {
    const begun = deferred<void>()
    server.serve(
      serviceOf({
        peers: (_request, { signal }) =>
          new Promise((_, reject) => {
            begun.resolve()
            signal.addEventListener('abort', () => reject(new HoldfastError('HF_ABORTED', 'aborted')))
          }),
      }),
    )
    const waiting = answer('/v1/peers')
    await begun.promise
    await server.stop()
    const { status, body } = await waiting
    assert.deepEqual([status, body['hf_code']], [503, 'HF_CLOSED'])
    assert.throws(() => statSync(server.path), /ENOENT/)
    await server.stop()
  })
})
