import type { Logger } from 'pino'
import type { CaptureHealth } from '../capture/index.ts'

const UNAVAILABLE = 'unavailable: '
const GAP = 'changes may have been missed: '
const UNWATCHED = 'part of the tree is not watched: '

export interface CaptureReport {
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Name of the volume. */
  readonly volume: string
  /** Sentences for `status`; what is over is taken away. */
  readonly warnings: string[]
}

/** Logs what capture says of its health, and keeps what is not over where `status` shows it. */
export function reportCapture(event: CaptureHealth, { log, volume, warnings }: CaptureReport): void {
  const fields = { volume }
  const forget = (prefix: string): void => {
    for (let index = warnings.length - 1; index >= 0; index--)
      if (warnings[index]?.startsWith(prefix) === true) warnings.splice(index, 1)
  }
  const warn = (sentence: string): void => {
    if (!warnings.includes(sentence)) warnings.push(sentence)
  }
  switch (event.type) {
    case 'gap':
      warn(`${GAP}${event.reason}; a walk finds them, and until it is done coverage stands still`)
      return log.warn({ ...fields, reason: event.reason }, 'changes may have been missed; walking')
    case 'covered':
      forget(GAP)
      return log.info(fields, 'what was missed is captured')
    case 'unavailable':
      forget(UNAVAILABLE)
      warn(`${UNAVAILABLE}${event.message}`)
      return log.warn(fields, event.message)
    case 'available':
      forget(UNAVAILABLE)
      return log.info(fields, 'the directory is available')
    case 'unreadable':
      return log.warn({ ...fields, code: event.code }, event.message)
    case 'torn':
      return log.info(fields, 'a file changed each time it was read')
    case 'skipped':
      return log.info(fields, 'a socket is not captured')
    case 'unwatched':
      warn(`${UNWATCHED}${event.reason}; changes there are found by walks`)
      return log.warn({ ...fields, reason: event.reason }, 'part of the tree is not watched')
    case 'watched':
      forget(UNWATCHED)
      return log.info(fields, 'all of the tree is watched again')
    case 'failed':
      warn(`capture has stopped: ${event.error.message}`)
      return log.error({ ...fields, err: event.error }, 'capture has stopped')
  }
}
