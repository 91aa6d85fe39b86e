/** Walks and watches directories, tells what changed since a known state, and writes trees back faithfully. */
export * from './directory-reader.ts'
export { RESTORE_NAME } from './exclusion.ts'
export * from './live-tree.ts'
export * from './open-watcher.ts'
export * from './paths.ts'
export * from './source.ts'
export * from './stat-key.ts'
export * from './tree-walker.ts'
export * from './watcher.ts'
export * from './xattrs.ts'
export {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  cString,
  deviceNumber,
  encodeTimes,
  errnoName,
  libc,
  OPEN_DIRECTORY,
  O_CLOEXEC,
  O_PATH,
  STATX_BYTES,
  type Libc,
} from './libc.ts'
