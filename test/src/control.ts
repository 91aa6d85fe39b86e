/** The control API without the command line: for the soak, which reads back thousands of versions, and for measurements, which leave the
 *  start of a client process out. */
import { Agent, request, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { join } from 'node:path'

export class ControlError extends Error {
  /** `HF_…`; undefined when the node gave no answer at all. */
  readonly code: string | undefined

  constructor(code: string | undefined, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

interface Line {
  readonly message_type?: string
  readonly entry?: unknown
  readonly hf_code?: string
  readonly message?: string
}

/** One home's node as a client of its socket sees it; calls are made one after the other or side by side. */
export class Control {
  readonly #socketPath: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 })

  /** The path of the home must be short enough that the socket stays in it. */
  constructor(home: string) {
    this.#socketPath = join(home, 'control.sock')
  }

  /** A method that answers with one document. */
  async document<Answer>(method: string, body: object = {}): Promise<Answer> {
    const { content } = await this.#post(method, body)
    return JSON.parse(content.toString('utf8')) as Answer
  }

  /** A method that answers in lines: its entries if it lists, and its summary. */
  async lines<Entry, Summary>(method: string, body: object = {}): Promise<{ entries: Entry[]; summary: Summary }> {
    const { content } = await this.#post(method, body)
    const lines = content
      .toString('utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
    const last = lines.at(-1)
    if (last?.message_type !== 'summary')
      throw new ControlError(last?.hf_code, last?.message ?? `${method} ended early`)
    const entries = lines.filter((line) => line.message_type === 'entry').map((line) => line.entry as Entry)
    return { entries, summary: last as Summary }
  }

  /** A method that answers with bytes, all of them. */
  async bytes(method: string, body: object = {}): Promise<Buffer> {
    const { content, answer } = await this.#post(method, body)
    const end = answer.trailers['holdfast-end']
    if (end !== 'complete') throw new ControlError(undefined, `${method} was cut off: ${decodeURIComponent(end ?? '')}`)
    return content
  }

  close(): void {
    this.#agent.destroy()
  }

  async #post(method: string, body: object): Promise<{ content: Buffer; answer: IncomingMessage }> {
    const headers = { 'holdfast-api': '1', 'content-type': 'application/json', te: 'trailers' }
    const options = { socketPath: this.#socketPath, path: `/v1/${method}`, method: 'POST', headers, agent: this.#agent }
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request(options, resolve)
      call.on('error', (error) => reject(new ControlError(undefined, `${method}: ${error.message}`, error)))
      call.end(JSON.stringify(body))
    })
    const content = await buffer(answer).catch((error: unknown) => {
      throw new ControlError(undefined, `${method} was cut off`, error)
    })
    if (answer.statusCode === 200) return { content, answer }
    const told = JSON.parse(content.toString('utf8')) as Line
    throw new ControlError(told.hf_code, told.message ?? `${method} failed with ${answer.statusCode ?? 0}`)
  }
}
