/**
 * Long work as people and programs see it. On a terminal a bar that appears once the work has taken a second; elsewhere a
 * plain line every ten seconds; with `--json` a line per event on stdout, statuses from the first second on.
 */
import type { WorkEvent, WorkError, WorkStatus } from '@holdfast/node/api'
import { HoldfastError, SECOND_MS } from '@holdfast/ports'
import type { GlobalOptions, Io } from './io.ts'
import { countText, sizeText } from './text/sizes.ts'
import { spanText } from './text/times.ts'
import { pathOfField } from './text/paths.ts'

/** Work that is done sooner needs no progress. */
export const PROGRESS_AFTER_MS = SECOND_MS
export const BAR_EVERY_MS = 250
export const PLAIN_LINE_EVERY_MS = 10 * SECOND_MS
/** Errors printed one by one for people; the rest is a number. With `--json` all are printed. */
export const ERROR_LINES_MAX = 100

type Summary<S> = S & { readonly message_type: 'summary' }

/** Follows the work to its summary, which is printed with `--json` and left to the caller otherwise. @throws what the work throws */
export async function followWork<S>(options: GlobalOptions, io: Io, events: AsyncIterable<WorkEvent<S>>): Promise<S> {
  const display = new Display(options, io)
  try {
    for await (const event of events) {
      if (isSummary(event)) {
        await display.close()
        if (options.json) await io.stdout.write(`${JSON.stringify(event)}\n`)
        return event
      }
      if (event.message_type === 'status') await display.status(event)
      else if (event.message_type === 'error') await display.error(event)
      else await display.note(event.message)
    }
  } finally {
    await display.close()
  }
  throw new HoldfastError('HF_INTERNAL', 'the work ended without a summary')
}

const isSummary = <S>(event: WorkEvent<S>): event is Summary<S> => event.message_type === 'summary'

class Display {
  readonly #options: GlobalOptions
  readonly #io: Io
  readonly #startedAt: number
  #latest: WorkStatus | undefined
  #timer: { cancel(): void } | undefined
  #barShown = false
  #errorCount = 0

  constructor(options: GlobalOptions, io: Io) {
    this.#options = options
    this.#io = io
    this.#startedAt = io.clock.monotonicMs()
    if (!options.quiet && !options.json) this.#arm()
  }

  async status(status: WorkStatus): Promise<void> {
    this.#latest = status
    const elapsedMs = this.#elapsedMs()
    if (!this.#options.json || this.#options.quiet || elapsedMs < PROGRESS_AFTER_MS) return
    await this.#io.stdout.write(`${JSON.stringify(status)}\n`)
  }

  async error(error: WorkError): Promise<void> {
    this.#errorCount++
    if (this.#options.json) return this.#io.stdout.write(`${JSON.stringify(error)}\n`)
    if (this.#errorCount > ERROR_LINES_MAX) return
    const { path, pathBytes } = error
    const where =
      path === undefined ? '' : `${pathOfField({ path, ...(pathBytes === undefined ? {} : { pathBytes }) })}: `
    await this.#print(`${where}${error.message}`)
  }

  async note(message: string): Promise<void> {
    if (!this.#options.quiet) await this.#print(message)
  }

  /** Takes the bar away; idempotent. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#errorCount > ERROR_LINES_MAX && !this.#options.json) {
      await this.#print(`${countText(this.#errorCount - ERROR_LINES_MAX)} more errors`)
      this.#errorCount = 0
    }
    await this.#clear()
  }

  async #print(text: string): Promise<void> {
    await this.#clear()
    await this.#io.stderr.write(`${text}\n`)
  }

  async #clear(): Promise<void> {
    if (!this.#barShown) return
    this.#barShown = false
    await this.#io.stderr.write('\r\x1b[K')
  }

  #arm(): void {
    const everyMs = this.#io.terminal.stderr ? BAR_EVERY_MS : PLAIN_LINE_EVERY_MS
    this.#timer = this.#io.clock.setTimer(everyMs, () => {
      this.#arm()
      this.#draw().catch(() => {
        // The reader of stderr is gone; the work itself is not affected.
        this.#timer?.cancel()
      })
    })
  }

  async #draw(): Promise<void> {
    const elapsedMs = this.#elapsedMs()
    if (this.#latest === undefined || elapsedMs < PROGRESS_AFTER_MS) return
    if (!this.#io.terminal.stderr) return this.#io.stderr.write(`${progressText(this.#latest, elapsedMs)}\n`)
    this.#barShown = true
    await this.#io.stderr.write(`\r${barText(this.#latest, elapsedMs, this.#io.columns)}\x1b[K`)
  }

  #elapsedMs(): number {
    return this.#io.clock.monotonicMs() - this.#startedAt
  }
}

/** Share that is done, 0 to 1; undefined while the total is not known. By bytes, or by files where no bytes are expected. */
function doneRatio({ bytesDone, bytesTotal, filesDone, filesTotal }: WorkStatus): number | undefined {
  if (bytesTotal !== undefined && bytesTotal > 0) return Math.min(1, bytesDone / bytesTotal)
  if (filesTotal !== undefined && filesTotal > 0) return Math.min(1, filesDone / filesTotal)
  return undefined
}

/** `capturing: 45 %, 120 MiB of 260 MiB, 1,204 of 3,000 files, 58 MiB/s, 2.4 s left, 0 errors` */
export function progressText(status: WorkStatus, elapsedMs: number): string {
  const ratio = doneRatio(status)
  const parts = [
    ofTotal(sizeText(status.bytesDone), status.bytesTotal === undefined ? undefined : sizeText(status.bytesTotal)),
    `${ofTotal(countText(status.filesDone), status.filesTotal === undefined ? undefined : countText(status.filesTotal))} files`,
    `${sizeText((status.bytesDone / Math.max(1, elapsedMs)) * SECOND_MS)}/s`,
  ]
  if (ratio !== undefined) parts.unshift(`${Math.floor(ratio * 100)} %`)
  if (ratio !== undefined && ratio > 0)
    parts.push(`${spanText(Math.round((elapsedMs * (1 - ratio)) / ratio / SECOND_MS) * SECOND_MS)} left`)
  parts.push(`${countText(status.errorCount)} errors`)
  return `${status.phase}: ${parts.join(', ')}`
}

const ofTotal = (done: string, total: string | undefined): string =>
  total === undefined ? done : `${done} of ${total}`

/** One line of a terminal, never longer: the text, and a bar in the room that is left. */
export function barText(status: WorkStatus, elapsedMs: number, columns: number): string {
  const text = progressText(status, elapsedMs)
  const ratio = doneRatio(status)
  const room = Math.min(BAR_COLUMNS_MAX, columns - 1 - text.length - 3)
  if (ratio === undefined || room < BAR_COLUMNS_MIN) return text.slice(0, Math.max(1, columns - 1))
  const filled = Math.round(ratio * room)
  return `[${'#'.repeat(filled)}${'.'.repeat(room - filled)}] ${text}`
}

const BAR_COLUMNS_MAX = 30
const BAR_COLUMNS_MIN = 5
