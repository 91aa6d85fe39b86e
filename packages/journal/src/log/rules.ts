/** What makes a frame the next one of a log: pure, the same for every implementation. */
import type { CoreKey, JournalFrame, LogIdentity, LogProposal } from '@holdfast/ports'
import {
  equalBytes,
  HoldfastError,
  JOURNAL_BLOCK_BYTES_MAX,
  JOURNAL_FRAME_BLOCKS_MAX,
  JOURNAL_FRAME_BYTES_MAX,
  shortId,
} from '@holdfast/ports'
import hypercoreCrypto from 'hypercore-crypto'
import { treeSignable } from './hypercore-internals.ts'
import type { Peaks } from './peaks.ts'
import { appendToPeaks, treeHashOf } from './peaks.ts'

const SIGNATURE_BYTES = 64

/** A proposal with the peaks it leads to; made here only. */
class Proposal implements LogProposal {
  readonly start: number
  readonly head: { readonly length: number; readonly treeHash: Uint8Array }
  readonly signable: Uint8Array
  readonly #coreKey: CoreKey
  readonly #peaks: Peaks

  constructor(coreKey: CoreKey, start: number, peaks: Peaks) {
    const treeHash = treeHashOf(peaks)
    this.start = start
    this.head = { length: peaks.length, treeHash }
    this.signable = treeSignable(coreKey, treeHash, peaks.length)
    this.#coreKey = coreKey
    this.#peaks = peaks
  }

  /** @throws HF_BAD_INPUT for a proposal of another log, or not made by one */
  static peaksOf(proposal: LogProposal, coreKey: CoreKey): Peaks {
    if (!(#peaks in proposal) || !equalBytes(proposal.#coreKey, coreKey)) {
      throw new HoldfastError('HF_BAD_INPUT', 'the proposal belongs to another log')
    }
    return proposal.#peaks
  }
}

/** Peaks that a proposal leads to. @throws HF_BAD_INPUT */
export const peaksOf = (proposal: LogProposal, coreKey: CoreKey): Peaks => Proposal.peaksOf(proposal, coreKey)

/** @throws HF_BAD_INPUT if no frame can hold the blocks */
export function propose(coreKey: CoreKey, peaks: Peaks, blocks: readonly Uint8Array[]): LogProposal {
  const fault = blocksFault(blocks)
  if (fault !== undefined) throw new HoldfastError('HF_BAD_INPUT', `blocks cannot be appended: ${fault}`)
  return new Proposal(coreKey, peaks.length, appendToPeaks(peaks, blocks))
}

/** The proposal that the frame fulfils at these peaks, or why it does not. */
export function check(
  identity: LogIdentity,
  coreKey: CoreKey,
  peaks: Peaks,
  frame: JournalFrame,
): LogProposal | HoldfastError {
  const refuse = (why: string): HoldfastError =>
    new HoldfastError('HF_JOURNAL_REFUSED', `frame at ${frame.start} of log ${shortId(coreKey)}: ${why}`)
  if (!equalBytes(frame.coreKey, coreKey)) return refuse(`it belongs to log ${shortId(frame.coreKey)}`)
  if (frame.start !== peaks.length) {
    const message = `frame begins at ${frame.start}, log ${shortId(coreKey)} ends at ${peaks.length}`
    return new HoldfastError('HF_JOURNAL_GAP', message)
  }
  const fault = blocksFault(frame.blocks)
  if (fault !== undefined) return refuse(fault)
  if (frame.signature.byteLength !== SIGNATURE_BYTES) return refuse('the signature has the wrong length')
  const proposal = new Proposal(coreKey, frame.start, appendToPeaks(peaks, frame.blocks))
  if (!hypercoreCrypto.verify(proposal.signable, frame.signature, identity.writer)) {
    return refuse('the signature is not the writer’s over these blocks')
  }
  return proposal
}

function blocksFault(blocks: readonly Uint8Array[]): string | undefined {
  if (blocks.length < 1 || blocks.length > JOURNAL_FRAME_BLOCKS_MAX) {
    return `${blocks.length} blocks are not 1 to ${JOURNAL_FRAME_BLOCKS_MAX}`
  }
  let bytes = 0
  for (const block of blocks) {
    if (block.byteLength < 1 || block.byteLength > JOURNAL_BLOCK_BYTES_MAX) {
      return `a block of ${block.byteLength} bytes is not 1 to ${JOURNAL_BLOCK_BYTES_MAX}`
    }
    bytes += block.byteLength
  }
  return bytes <= JOURNAL_FRAME_BYTES_MAX ? undefined : `${bytes} bytes are more than ${JOURNAL_FRAME_BYTES_MAX}`
}
