import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { JournalFrame, JournalLog, LogIdentity, LogProposal } from '@holdfast/ports'
import { asNodeId, asVolumeId } from '@holdfast/ports'

/** DER around an Ed25519 seed (PKCS #8, RFC 8410). */
const SEED_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_KEY_BYTES = 32

/** A writer of logs with a fixed key. */
export interface TestWriter {
  identity(epoch?: number): LogIdentity
  frame(log: JournalLog, blocks: readonly Uint8Array[], after?: LogProposal): JournalFrame
  /** Proposes, signs and appends. */
  append(log: JournalLog, ...texts: readonly string[]): Promise<void>
}

export function createTestWriter(name: string): TestWriter {
  const seed = createHash('sha256').update(name).digest()
  const privateKey = createPrivateKey({ key: Buffer.concat([SEED_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const writer = asNodeId(publicKeyOf(privateKey))
  const volume = asVolumeId(new Uint8Array(16).fill(5))
  const frame = (log: JournalLog, blocks: readonly Uint8Array[], after?: LogProposal): JournalFrame => {
    const { start, signable } = log.propose(blocks, after)
    return { coreKey: log.coreKey, start, blocks, signature: new Uint8Array(sign(null, signable, privateKey)) }
  }
  return {
    identity: (epoch = 1) => ({ volume, epoch, writer, claimHash: new Uint8Array(32).fill(epoch) }),
    frame,
    append: async (log, ...texts) => void (await log.append(frame(log, texts.map(blockOf)))),
  }
}

export const blockOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (block: Uint8Array | undefined): string | undefined =>
  block === undefined ? undefined : new TextDecoder().decode(block)

export async function textsOf(blocks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const texts: string[] = []
  for await (const block of blocks) texts.push(new TextDecoder().decode(block))
  return texts
}

function publicKeyOf(privateKey: KeyObject): Uint8Array {
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return new Uint8Array(der.subarray(der.byteLength - PUBLIC_KEY_BYTES))
}
