/** Extended attributes as the judge of trees sees them, and as tests make them: by the C library, on paths of any bytes. */
import koffi from 'koffi'

type Call = (...args: unknown[]) => number

const library = process.platform === 'linux' ? koffi.load(null) : undefined
const bind = (declaration: string): Call | undefined => library?.func(declaration)
const list = bind('long llistxattr(const void*, void*, size_t)')
const get = bind('long lgetxattr(const void*, const void*, void*, size_t)')
const set = bind('int lsetxattr(const void*, const void*, const void*, size_t, int)')

const buffer = Buffer.alloc(64 * 1024)
const cString = (bytes: Uint8Array | string): Buffer => Buffer.concat([Buffer.from(bytes), Buffer.alloc(1)])

/** All that this process may see, `name=value` in hex, one a line, in order of name; a link is not followed. */
export function attributesOf(path: Uint8Array): string {
  if (list === undefined || get === undefined) return ''
  const length = list(cString(path), buffer, buffer.byteLength)
  if (length <= 0) return ''
  const names = buffer
    .subarray(0, length)
    .toString('latin1')
    .split('\0')
    .filter((name) => name !== '')
  return names
    .toSorted()
    .map((name) => {
      const size = get(cString(path), cString(Buffer.from(name, 'latin1')), buffer, buffer.byteLength)
      return `${name}=${size < 0 ? 'unreadable' : buffer.subarray(0, size).toString('hex')}`
    })
    .join('\n')
}

/** @throws Error where the system refuses */
export function setAttribute(path: Uint8Array | string, name: string, value: Uint8Array | string): void {
  const bytes = Buffer.from(value)
  const result = set?.(cString(path), cString(name), bytes, bytes.byteLength, 0) ?? -1
  if (result < 0) throw new Error(`${name} of ${Buffer.from(path).toString()} cannot be set (${koffi.errno()})`)
}

const ACL_TAGS = { owner: 1, user: 2, group: 4, namedGroup: 8, mask: 16, others: 32 } as const

/** One line of an access list: what somebody may, as three bits. */
export type AclEntry = readonly [who: keyof typeof ACL_TAGS, may: number, id?: number]

/** An access list as the kernel has it: a version, then entries in order of tag and id. */
export function acl(...entries: readonly AclEntry[]): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length)
  bytes.writeUInt32LE(2, 0)
  for (const [index, [who, may, id]] of entries.entries()) {
    bytes.writeUInt16LE(ACL_TAGS[who], 4 + 8 * index)
    bytes.writeUInt16LE(may, 6 + 8 * index)
    bytes.writeUInt32LE(id ?? 0xffffffff, 8 + 8 * index)
  }
  return bytes
}
