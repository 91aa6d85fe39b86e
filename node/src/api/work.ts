/** Long work and listings, as they are told event by event. See `NodeService` for how values are written. */
import type { PathField } from './vocabulary.ts'

/** At most four a second, however long the work is. Totals are absent while they are not known. */
export interface WorkStatus {
  readonly message_type: 'status'
  /** What is being done now, for people, lower case: `capturing`, `waiting for quorum`, `fetching`. */
  readonly phase: string
  readonly bytesDone: number
  readonly bytesTotal?: number
  readonly filesDone: number
  readonly filesTotal?: number
  readonly errorCount: number
}

/** One thing of many went wrong; the work goes on. */
export interface WorkError extends Partial<PathField> {
  readonly message_type: 'error'
  readonly hf_code: string
  readonly message: string
}

/** What the user should know and no program needs to act on. */
export interface Notice {
  readonly message_type: 'notice'
  readonly message: string
}

export type WorkEvent<Summary> = WorkStatus | WorkError | Notice | (Summary & { readonly message_type: 'summary' })

/** A listing: entries, notices between them, and at its end how many there were. */
export type ListEvent<Entry> =
  | { readonly message_type: 'entry'; readonly entry: Entry }
  | Notice
  | { readonly message_type: 'summary'; readonly count: number }
