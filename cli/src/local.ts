import type { ConfigValue } from '@holdfast/node/api'

/** What the command line does to a home itself, because no node runs there yet. */
export interface LocalNode {
  /** Creates a node and a mesh of one, once `keepSheet` has the recovery sheet safe: if that rejects, there is no node.
   *  @throws HF_HOME_EXISTS, HF_HOME_READ_ONLY, HF_BAD_INPUT, HF_PORT_TAKEN, and what `keepSheet` threw */
  init(request: NewNodeRequest, keepSheet: (made: InitResult) => Promise<void>): Promise<NewNode>
  /** Creates a node in the mesh of the token; a home of that mesh learns its newest charter instead. @throws those of `init`, HF_BAD_TOKEN, HF_PEER_UNREACHABLE, HF_PEER_REFUSED, HF_CHARTER_REFUSED, HF_ABORTED */
  join(request: NewNodeRequest & { readonly token: string }, signal: AbortSignal): Promise<NewNode>
  /** Whether a node's key can only be opened with a passphrase. @throws HF_HOME_MISSING */
  needsPassphrase(home: string): Promise<boolean>
  /** Resolves when it can serve. @throws HF_HOME_*, HF_WRONG_KEY, HF_CONFIG_INVALID, HF_PORT_TAKEN, HF_ABORTED */
  up(request: UpRequest, signal: AbortSignal): Promise<RunningNode>
  /** Settings as a node started now would have them. @throws HF_HOME_MISSING, HF_CONFIG_INVALID */
  config(home: string): Promise<readonly ConfigValue[]>
}

export interface NewNodeRequest {
  readonly home: string
  readonly name?: string
  readonly region?: string
  /** Absolute; the home holds the drive if absent. */
  readonly drive?: string
  /** `HOST:PORT`; port 0 picks a free one now and keeps it. */
  readonly listen?: string
  readonly announce?: string
  /** Wraps the node's key; a key file does if absent. */
  readonly passphrase?: string
}

export interface NewNode {
  readonly node: string
  readonly nodeId: string
  readonly mesh: string
  readonly region: string
  readonly role: string
  readonly listen: readonly string[]
  /** Version of the charter that a home of the mesh has learnt, where no node was made. */
  readonly charterVersion?: number
}

export interface InitResult extends NewNode {
  /** Text with the operator key; exists nowhere else. */
  readonly recoverySheet: string
}

export interface UpRequest {
  readonly home: string
  /** `HOST:PORT`, for this run. */
  readonly listen?: string
  readonly passphrase?: string
  /** 0 warnings, 1 everything of use to an operator. */
  readonly verbosity: 0 | 1
}

export interface RunningNode {
  readonly node: string
  readonly mesh: string
  readonly listen: readonly string[]
  /** Path of the control socket. */
  readonly api: string
  /** Resolves when the node has stopped, by `stop`; rejects when it cannot go on. */
  readonly stopped: Promise<void>
  /** Clean stop; idempotent. */
  stop(): Promise<void>
}
