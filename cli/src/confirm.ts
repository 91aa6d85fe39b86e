import { HoldfastError } from '@holdfast/ports'
import type { GlobalOptions, Io } from './io.ts'

/** Goes on with `--yes` or a person's yes. @throws HF_BAD_INPUT (nobody to ask), HF_ABORTED (no) */
export async function confirm(signal: AbortSignal, options: GlobalOptions, io: Io, question: string): Promise<void> {
  if (options.yes) return
  if (!io.terminal.stdin) throw new HoldfastError('HF_BAD_INPUT', `this asks: ${question}`, { next: 'add --yes' })
  const answer = await io.ask(`${question} [y/N] `, signal)
  if (!/^y(es)?$/i.test(answer.trim())) throw new HoldfastError('HF_ABORTED', 'not done')
}
