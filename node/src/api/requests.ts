/** The shapes that requests must have, and nothing more: an unknown member is refused, so that a typing error never passes for a default. */
import { z } from 'zod'
import { isName, NAME_BYTES_MAX } from '@holdfast/charter'
import { DAY_MS, SECOND_MS } from '@holdfast/ports'
import { pathOfText } from './path-text.ts'
import { COPIES_MAX, FLUSH_LEVELS, NODE_ROLES } from './vocabulary.ts'
import type { MethodName, RequestOf } from './wire.ts'

/** Longest path in bytes that a request may name: Linux' PATH_MAX. */
export const REQUEST_PATH_BYTES_MAX = 4096
/** Bytes of a whole request: room for the longest path in `%XX`, a recovery sheet and names. */
export const REQUEST_BYTES_MAX = 64 * 1024
export const TTL_MS_MIN = 10 * SECOND_MS
/** A token is a key to the mesh; after a month nobody remembers that it exists. */
export const TTL_MS_MAX = 30 * DAY_MS
const FLUSH_TIMEOUT_MS_MAX = 7 * DAY_MS

const name = z.string().min(1).max(255)
const region = z
  .string()
  .refine(
    (text) => isName(text, NAME_BYTES_MAX),
    `must be a name: 1 to ${NAME_BYTES_MAX} bytes, without ":" and "/" and not beginning with "-"`,
  )
const role = z.enum(NODE_ROLES)
const operatorKey = z
  .string()
  .min(1)
  .max(16 * 1024)
  .exactOptional()
const absolutePath = z
  .string()
  .max(REQUEST_PATH_BYTES_MAX)
  .refine((text) => text.startsWith('/') && !text.includes('\0'), 'must be an absolute path')

const moment = z
  .string()
  .max(64)
  .transform((text) => ({ timeMs: Date.parse(text) }))
  .refine(({ timeMs }) => Number.isFinite(timeMs), 'must be a time as RFC 3339 has it')

/** Relative to the volume's root; `/` at either end is dropped, so that `VOLUME:/` is the root. */
const volumePath = z
  .string()
  .max(3 * REQUEST_PATH_BYTES_MAX)
  .transform((text) => trimSlashes(pathOfText(text)))
  .refine((bytes) => bytes.byteLength <= REQUEST_PATH_BYTES_MAX, 'is too long')
  .refine(isPlainPath, 'must not have empty, `.` or `..` components or NUL bytes')

const nothing = z.strictObject({})
const volumeOnly = z.strictObject({ volume: name })

export const requestSchemas = {
  status: nothing,
  protect: z.strictObject({
    directory: absolutePath,
    name: name.exactOptional(),
    copies: z.int().min(1).max(COPIES_MAX).exactOptional(),
    members: z.array(name).max(COPIES_MAX).exactOptional(),
  }),
  unprotect: volumeOnly,
  flush: z.strictObject({
    volume: name.exactOptional(),
    level: z.enum(FLUSH_LEVELS),
    timeoutMs: z.int().min(1).max(FLUSH_TIMEOUT_MS_MAX),
  }),
  ls: z.strictObject({ volume: name, path: volumePath, at: moment.exactOptional(), recursive: z.boolean() }),
  log: z.strictObject({ volume: name, path: volumePath, limit: z.int().min(1).exactOptional() }),
  find: z.strictObject({
    volume: name,
    pattern: z
      .string()
      .min(1)
      .max(3 * REQUEST_PATH_BYTES_MAX)
      .transform(pathOfText),
  }),
  diff: z.strictObject({ volume: name, path: volumePath, from: moment, to: moment }),
  cat: z.strictObject({ volume: name, path: volumePath, at: moment.exactOptional() }),
  restore: z
    .strictObject({
      volume: name,
      path: volumePath,
      to: absolutePath,
      at: moment.exactOptional(),
      inPlace: z.boolean(),
      delete: z.boolean(),
      verify: z.boolean(),
      dryRun: z.boolean(),
      privileged: z.boolean(),
    })
    .refine((request) => request.inPlace || !request.delete, { path: ['delete'], message: 'needs inPlace' }),
  verify: z.strictObject({ volume: name.exactOptional(), readData: z.boolean(), mesh: z.boolean() }),
  repairIndex: nothing,
  invite: z.strictObject({ region: region.exactOptional(), ttlMs: z.int().min(TTL_MS_MIN).max(TTL_MS_MAX), role }),
  peers: nothing,
  nodes: nothing,
  nodeRemove: z.strictObject({ node: name, operatorKey }),
  members: volumeOnly,
  memberAdd: z.strictObject({ volume: name, node: name, role, operatorKey }),
  memberRemove: z.strictObject({ volume: name, node: name, operatorKey }),
  memberRole: z.strictObject({ volume: name, node: name, role, operatorKey }),
  charterLog: nothing,
  configShow: nothing,
} as const satisfies { [Name in MethodName]: z.ZodType<RequestOf<Name>> }

function trimSlashes(bytes: Uint8Array): Uint8Array {
  let start = 0
  let end = bytes.byteLength
  while (start < end && bytes[start] === SLASH) start++
  while (end > start && bytes[end - 1] === SLASH) end--
  return bytes.slice(start, end)
}

function isPlainPath(bytes: Uint8Array): boolean {
  if (bytes.byteLength === 0) return true
  const text = Buffer.from(bytes).toString('latin1')
  return !text.includes('\0') && text.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

const SLASH = 0x2f
