/** A tree that holds everything a file system can: what a restore must bring back. Made by the system's own tools and calls. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { acl, setAttribute } from './attributes.ts'
import { seeded } from './seeded.ts'

const KIB = 1024
const MIB = 1024 * KIB
const isRoot = process.getuid?.() === 0

/** What it needs the superuser for, and lacks without: said in the name of a test. */
export const WITHOUT_ROOT = isRoot ? '' : ' (not as root: without owners, devices, trusted attributes)'

/** Makes the tree in `root`, which must not exist. */
export function makeEverything(root: string): void {
  const random = seeded('everything')
  const at = (name: string): Buffer => Buffer.from(`${root}/${name}`, 'latin1')
  const file = (name: string, content: Uint8Array | string, mode = 0o644): void => {
    writeFileSync(at(name), content)
    chmodSync(at(name), mode)
  }
  const directory = (name: string): void => void mkdirSync(at(name), { recursive: true })

  directory('')
  directory('names')
  for (const [index, name] of NAMES.entries()) file(`names/${name}`, `name ${index}`)
  directory(`names/${'\xe9'.repeat(255)}`)
  file(`names/${'\xe9'.repeat(255)}/${'z'.repeat(255)}`, 'long')
  directory('names/empty directory')

  directory('contents')
  file('contents/empty', '')
  file('contents/small', 'x')
  file('contents/several segments', random.bytes(3 * MIB))
  file('contents/zeros that are there', Buffer.alloc(MIB))

  directory('links/deep/er')
  file('links/first', random.bytes(200 * KIB), 0o600)
  linkSync(at('links/first'), at('links/deep/er/second'))
  linkSync(at('links/first'), at('a third name'))
  file('links/empty', '')
  linkSync(at('links/empty'), at('links/deep/empty too'))
  symlinkSync('first', at('links/symlink'))
  linkSync(at('links/symlink'), at('links/deep/symlink too'))
  symlinkSync(Buffer.from('no/such\xff/place', 'latin1'), at('links/dangling'))
  symlinkSync('/etc/passwd', at('links/absolute'))
  symlinkSync('..', at('links/up'))
  symlinkSync('x'.repeat(4000), at('links/long'))

  directory('sparse')
  sparse(at('sparse/holes'), 64 * MIB + 5, [
    [0, 8 * KIB],
    [5 * MIB, 300 * KIB],
    [40 * MIB, 4 * KIB],
  ])
  sparse(at('sparse/all hole'), 20 * MIB, [])
  sparse(at('sparse/small'), 128 * KIB, [[64 * KIB, 4 * KIB]])
  sparse(at('sparse/linked'), 4 * MIB, [[MIB, 4 * KIB]])
  linkSync(at('sparse/linked'), at('sparse/linked too'))

  directory('special')
  execFileSync('mkfifo', ['-m', '0640', `${root}/special/fifo`])
  linkSync(at('special/fifo'), at('special/fifo too'))

  directory('attributes/d')
  file('attributes/several', 'x')
  setAttribute(at('attributes/several'), 'user.empty', '')
  setAttribute(at('attributes/several'), 'user.bytes', Buffer.from([0, 255, 10]))
  setAttribute(at('attributes/several'), 'user.ünïcode', 'ja')
  setAttribute(at('attributes/several'), 'user.large', random.bytes(2 * KIB))
  setAttribute(at('attributes/d'), 'user.of.a.directory', 'd')
  file('attributes/read only', 'x', 0o400)
  setAttribute(at('attributes/read only'), 'user.a', 'a')
  file('attributes/acl', 'x')
  setAttribute(at('attributes/acl'), 'system.posix_acl_access', ACCESS)
  directory('attributes/default acl')
  setAttribute(at('attributes/default acl'), 'system.posix_acl_default', ACCESS)
  file('attributes/default acl/made below', 'x')

  directory('modes')
  for (const mode of [0o000, 0o001, 0o444, 0o777, 0o1644, 0o2755, 0o4755, 0o6711])
    file(`modes/${mode.toString(8)}`, 'm', mode)
  for (const mode of [0o500, 0o711, 0o1777, 0o2775]) {
    directory(`modes/d${mode.toString(8)}`)
    file(`modes/d${mode.toString(8)}/inside`, 'x')
  }
  if (isRoot) addWhatTakesRoot(root)
  for (const mode of [0o500, 0o711, 0o1777, 0o2775]) chmodSync(at(`modes/d${mode.toString(8)}`), mode)
  setTimes(root)
}

/** Beside the rest, since it is nothing that is kept. */
export async function listenIn(root: string): Promise<Server> {
  const server = createServer().listen(`${root}/special/socket`)
  await once(server, 'listening')
  return server
}

const NAMES = [
  'with space',
  ' leading and trailing ',
  'new\nline',
  'tab\t',
  'back\\slash',
  '*?[a]{b}$(c)`d`;|&',
  '"quotes\'',
  '-rf',
  '%41',
  '\u00e9'.normalize('NFC'),
  Buffer.from('日本語').toString('latin1'),
  Buffer.from('e\u0301').toString('latin1'),
  '\xff\xfe not utf-8',
  '\x01\x1b[31m',
  '...',
  'n'.repeat(255),
]

const ACCESS = acl(
  ['owner', 7],
  ['user', 4, 4242],
  ['user', 6, 4243],
  ['group', 5],
  ['namedGroup', 0, 77],
  ['mask', 7],
  ['others', 0],
)

function sparse(path: Buffer, size: number, data: readonly (readonly [offset: number, length: number])[]): void {
  const random = seeded(path.toString('latin1'))
  const fd = openSync(path, 'w')
  for (const [offset, length] of data) writeSync(fd, random.bytes(length), 0, length, offset)
  ftruncateSync(fd, size)
  closeSync(fd)
}

function addWhatTakesRoot(root: string): void {
  const at = (name: string): Buffer => Buffer.from(`${root}/${name}`, 'latin1')
  execFileSync('mknod', ['-m', '0660', `${root}/special/character device`, 'c', '1', '3'])
  execFileSync('mknod', [`${root}/special/block device`, 'b', '259', '70000'])
  chownSync(at('special/block device'), 12, 34)
  setAttribute(at('special/block device'), 'trusted.t', 'device')
  setAttribute(at('special/fifo'), 'trusted.t', 'fifo')
  setAttribute(at('links/dangling'), 'trusted.t', 'link')
  setAttribute(at('attributes/several'), 'trusted.t', 't')
  setAttribute(at('attributes/several'), 'security.holdfast', 's')
  writeFileSync(at('attributes/capable'), 'x')
  // cap_net_bind_service, permitted and effective.
  setAttribute(
    at('attributes/capable'),
    'security.capability',
    Buffer.from('0100000200040000000000000000000000000000', 'hex'),
  )
  writeFileSync(at('owned'), 'x')
  chownSync(at('owned'), 1234, 4321)
  chmodSync(at('owned'), 0o6755)
  lchownSync(at('links/absolute'), 4_000_000_000, 65_534)
  mkdirSync(at('owned directory'))
  chownSync(at('owned directory'), 1, 2)
}

/** Before 1970, far from now, and with nanoseconds; of links, and of directories when all is in them. */
function setTimes(root: string): void {
  const touch = (when: string, ...names: string[]): void =>
    void execFileSync('touch', ['-h', '-d', when, ...names.map((name) => `${root}/${name}`)])
  touch('1969-12-31T23:59:59.999999999Z', 'contents/empty', 'links/dangling', 'names/empty directory')
  touch('1910-01-02T03:04:05.678901234Z', 'contents/small', 'special/fifo', 'links/deep')
  touch('1970-01-01T00:00:00Z', 'links/first', 'links')
  touch('2106-02-07T06:28:16.000000001Z', 'sparse/holes', 'links/symlink')
  touch('2001-09-09T01:46:40.123456789Z', 'modes/d500', 'modes', 'attributes/several', 'attributes/default acl')
}
