/** Answers of a node, for tests to change a little. */
import type { MemberStatus, StatusAnswer, TreeEntry, VersionEntry, VolumeStatus } from '@holdfast/node/api'

export const member = (node: string, region: string, change: Partial<MemberStatus> = {}): MemberStatus => ({
  node,
  region,
  state: 'current',
  role: 'full',
  voter: true,
  acceptedLength: 12,
  completeLength: 12,
  lagSeconds: 0,
  ...change,
})

export const volume = (change: Partial<VolumeStatus> = {}): VolumeStatus => ({
  name: 'data',
  id: 'ab'.repeat(16),
  role: 'primary',
  directory: '/srv/data',
  protected: true,
  epoch: 1,
  length: 12,
  seq: 40,
  primary: 'eu',
  files: 1234,
  bytes: 56 * 1024 * 1024,
  versions: 1300,
  coverage: '2026-11-23T12:00:00.000Z',
  rpoSeconds: 0,
  pendingBytes: 0,
  pendingChanges: 0,
  pendingSince: null,
  degraded: false,
  copies: 3,
  copiesWanted: 3,
  unreadableCount: 0,
  warnings: [],
  members: [member('eu', 'eu-1', { role: 'primary' }), member('us', 'us-1'), member('ap', 'ap-1')],
  ...change,
})

export const status = (...volumes: readonly VolumeStatus[]): StatusAnswer => ({
  node: {
    name: 'eu',
    id: 'cd'.repeat(32),
    mesh: 'ef'.repeat(16),
    region: 'eu-1',
    listen: ['127.0.0.1:4747'],
    peers: [{ name: 'us', region: 'us-1', state: 'connected' }],
    drives: [{ path: '/home/packs', state: 'ok', storedBytes: 10, freeBytes: 2 ** 40, totalBytes: 2 ** 41 }],
    storedBytes: 123_456_789,
    rssBytes: 150_000_000,
    heapBytes: 40_000_000,
    uptimeSeconds: 7265,
  },
  volumes,
})

export const version = (seq: number, change: Partial<VersionEntry> = {}): VersionEntry => ({
  seq,
  epoch: 1,
  time: `2026-11-23T12:00:0${seq}.000Z`,
  kind: 'put',
  path: 'report.txt',
  size: 1000 * seq,
  type: 'file',
  ...change,
})

export const treeEntry = (path: string, change: Partial<TreeEntry> = {}): TreeEntry => ({
  path,
  type: 'file',
  mode: '0644',
  uid: 1000,
  gid: 100,
  size: 2048,
  mtime: '2026-11-23T11:59:58.123456789Z',
  seq: 3,
  time: '2026-11-23T12:00:00.000Z',
  ...change,
})
