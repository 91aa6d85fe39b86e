import fs from 'node:fs'
import path from 'node:path'
import { SEED_BYTES, signingKeyFromSeed, unwrapSecret, wrapSecret, type SigningKey } from '@holdfast/keys'
import { HoldfastError } from '@holdfast/ports'
import type { Random } from '@holdfast/ports'
import { syncDirectory } from './home/index.ts'
import { makeDirectory } from './system/index.ts'

/** The key of a node that is joining. */
export interface JoiningKey {
  /** 32 bytes. */
  readonly seed: Uint8Array
  readonly key: SigningKey
  /** Removes the file: the home has the key now. */
  forget(): void
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants

/** The key of the node to be, kept beside the home until the join is done: a joiner that missed the answer, or lost its power, asks
 *  again as the same node and is answered alike. The directory may belong to others: what they may have put there is not taken.
 *  Durable when it returns. @throws HF_HOME_READ_ONLY, HF_CONFLICT for a file that is not ours, HF_WRONG_KEY for another passphrase */
export function joiningKey(home: string, passphrase: string | undefined, random: Random): JoiningKey {
  const file = `${path.resolve(home)}.joining`
  try {
    const seed = kept(file, passphrase) ?? made(file, passphrase, random)
    return { seed, key: signingKeyFromSeed(seed), forget: () => fs.rmSync(file, { force: true }) }
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw new HoldfastError('HF_HOME_READ_ONLY', `${path.dirname(file)} cannot be written; nothing was changed`, {
      cause,
      next: 'give a --home that this user can write',
    })
  }
}

function kept(file: string, passphrase: string | undefined): Uint8Array | undefined {
  const fd = openOwn(file)
  if (fd === undefined) return undefined
  try {
    const bytes = fs.readFileSync(fd)
    if (bytes.byteLength === SEED_BYTES) return bytes
    if (bytes.byteLength < SEED_BYTES) return undefined
    return unwrapSecret(bytes, passphrase === undefined ? { keyFile: new Uint8Array() } : { passphrase })
  } finally {
    fs.closeSync(fd)
  }
}

/** Undefined if there is no such file. */
function openOwn(file: string): number | undefined {
  let fd: number
  try {
    fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw foreign(file, cause)
  }
  const stat = fs.fstatSync(fd)
  if (stat.isFile() && stat.uid === (process.getuid?.() ?? stat.uid) && (stat.mode & 0o077) === 0) return fd
  fs.closeSync(fd)
  throw foreign(file)
}

function made(file: string, passphrase: string | undefined, random: Random): Uint8Array {
  const seed = random.bytes(SEED_BYTES)
  makeDirectory(path.dirname(file))
  // What is there is the beginning of our own file, cut short by a crash.
  fs.rmSync(file, { force: true })
  const fd = fs.openSync(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    fs.writeFileSync(fd, passphrase === undefined ? seed : wrapSecret(seed, { passphrase }, random))
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  syncDirectory(path.dirname(file))
  return seed
}

const foreign = (file: string, cause?: unknown): HoldfastError =>
  new HoldfastError('HF_CONFLICT', `${file} was not left there by a join of this user alone; nothing was changed`, {
    cause,
    next: `remove ${file}, or give another --home`,
  })
