import { closeSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { HoldfastError, KIB } from '@holdfast/ports'
import type { Io } from './io.ts'

/** Longest secret or token that is read: a recovery sheet is about 2 KiB. */
export const SECRET_BYTES_MAX = 64 * KIB

/** The value itself, the content of `@FILE`, or with `-` of standard input; without white space around it. @throws HF_BAD_INPUT */
export async function readArgument(argument: string, what: string, io: Io): Promise<string> {
  const text = await readSource(argument, what, io)
  if (text.trim() !== '') return text.trim()
  throw new HoldfastError('HF_BAD_INPUT', `the ${what} is empty`)
}

/** Content of a file, or with `-` of standard input, without the line's end. @throws HF_BAD_INPUT */
export async function readSecretFile(file: string, what: string, io: Io): Promise<string> {
  const text = (await readSource(file === '-' ? '-' : `@${file}`, what, io)).replace(/\r?\n$/, '')
  if (text !== '') return text
  throw new HoldfastError('HF_BAD_INPUT', `the ${what} is empty`)
}

async function readSource(argument: string, what: string, io: Io): Promise<string> {
  if (argument === '-') return readAll(io.stdin, what)
  if (!argument.startsWith('@')) return argument
  const file = resolve(io.workingDirectory, argument.slice(1))
  try {
    const content = readAtMost(file, SECRET_BYTES_MAX + 1)
    if (content.byteLength > SECRET_BYTES_MAX) throw tooLong(what)
    return content.toString('utf8')
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new HoldfastError('HF_BAD_INPUT', `cannot read the ${what} from ${file}: ${code}`, { cause })
  }
}

/** The beginning of a file, which may be a device or a pipe without end. @throws system errors */
function readAtMost(file: string, bytesMax: number): Buffer {
  const fd = openSync(file, 'r')
  try {
    const content = Buffer.alloc(bytesMax)
    let length = 0
    while (length < bytesMax) {
      const count = readSync(fd, content, length, bytesMax - length, null)
      if (count === 0) break
      length += count
    }
    return content.subarray(0, length)
  } finally {
    closeSync(fd)
  }
}

async function readAll(source: Io['stdin'], what: string): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of source) {
    const bytes = Buffer.from(part)
    parts.push(bytes)
    length += bytes.byteLength
    if (length > SECRET_BYTES_MAX) throw tooLong(what)
  }
  return Buffer.concat(parts).toString('utf8')
}

const tooLong = (what: string): HoldfastError =>
  new HoldfastError('HF_BAD_INPUT', `the ${what} is longer than ${SECRET_BYTES_MAX / KIB} KiB`)
