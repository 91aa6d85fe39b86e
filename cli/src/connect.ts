import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findSocket, type NodeClient } from '@holdfast/node/api'
import { HoldfastError, hasCode, SECOND_MS, type Clock } from '@holdfast/ports'
import { createClient } from './client.ts'
import type { GlobalOptions, Io } from './io.ts'

/** How long a command waits for a node that is starting. */
export const START_WAIT_MS = 30 * SECOND_MS
/** How long it waits for the first sign of one: `up &` in the line before has hardly begun. */
export const START_SIGN_WAIT_MS = 3 * SECOND_MS
const POLL_MS = 50
const NOTICE_AFTER_MS = SECOND_MS

/** File that every home has; without it the directory is none. */
const HOME_MARK = 'identity'
/** Left in the home by `up` from its first moment until it serves: the process id. */
export const STARTING_MARK = 'starting.pid'

/**
 * A client of the home's node, ready to serve. Waits for one that is starting.
 * @throws HF_HOME_MISSING, HF_NOT_RUNNING, HF_ABORTED
 */
export async function connect(signal: AbortSignal, options: GlobalOptions, io: Io): Promise<NodeClient> {
  const { clock } = io
  if (!isHome(options.home)) throw homeMissing(options.home)
  const startedAt = clock.monotonicMs()
  let waitMs = START_SIGN_WAIT_MS
  let told = false
  for (;;) {
    const client = createClient(findSocket(options.home))
    const state = await stateOf(client, signal)
    if (state === 'ready') return client
    client.close()
    if (state === 'starting' || isStarting(options.home)) waitMs = START_WAIT_MS
    const waitedMs = clock.monotonicMs() - startedAt
    if (waitedMs >= waitMs) throw notRunning(options.home, state)
    if (!told && waitedMs >= NOTICE_AFTER_MS && !options.quiet) {
      told = true
      await io.stderr.write('waiting for the node to start\n')
    }
    await pause(clock, POLL_MS, signal)
  }
}

/** Whether a node was made there. */
export const isHome = (home: string): boolean => existsSync(join(home, HOME_MARK))

/** Connects, runs, closes. */
export async function withNode<Result>(
  signal: AbortSignal,
  options: GlobalOptions,
  io: Io,
  use: (node: NodeClient) => Promise<Result>,
): Promise<Result> {
  const node = await connect(signal, options, io)
  try {
    return await use(node)
  } finally {
    node.close()
  }
}

/** Resolves after `delayMs`. @throws HF_ABORTED */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      timer.cancel()
      reject(new HoldfastError('HF_ABORTED', 'interrupted', { cause: signal.reason }))
    }
    const timer = clock.setTimer(delayMs, () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

async function stateOf(client: NodeClient, signal: AbortSignal): Promise<'absent' | 'starting' | 'ready' | 'stopping'> {
  try {
    return (await client.about({ signal })).state
  } catch (error) {
    if (hasCode(error, 'HF_NOT_RUNNING') && error.retryable) return 'absent'
    client.close()
    throw error
  }
}

function isStarting(home: string): boolean {
  try {
    process.kill(Number(readFileSync(join(home, STARTING_MARK), 'utf8')), 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const homeMissing = (home: string): HoldfastError =>
  new HoldfastError('HF_HOME_MISSING', `there is no node in ${home}`, {
    next: 'create one with holdfast init or holdfast join TOKEN, or name another home with --home',
  })

function notRunning(home: string, state: string): HoldfastError {
  const what =
    { stopping: 'is stopping', starting: `did not get ready in ${START_WAIT_MS / SECOND_MS} s` }[state] ??
    'is not running'
  return new HoldfastError('HF_NOT_RUNNING', `the node in ${home} ${what}`, {
    retryable: true,
    next: 'start it: holdfast up',
  })
}
