import { keyOf } from './paths.ts'

/** Mounts below a directory, as lines that differ whenever one was made, removed or made anew. `mountinfo`: /proc/self/mountinfo, one
 *  character a byte; `root`: absolute and without symbolic links. Source: proc_pid_mountinfo(5). */
export function mountsBelow(mountinfo: string, root: Uint8Array): string {
  const prefix = `${escaped(keyOf(root))}/`.replace('//', '/')
  const lines = mountinfo.split('\n').map((line) => line.split(' ', MOUNT_POINT_AT + 1))
  return lines
    .filter((fields) => fields[MOUNT_POINT_AT]?.startsWith(prefix))
    .map((fields) => fields.join(' '))
    .join('\n')
}

/** Number, parent, device, directory in its file system, mount point. */
const MOUNT_POINT_AT = 4

/** As the kernel writes paths there: space, tab, line break and backslash in octal. */
const escaped = (path: string): string =>
  path.replaceAll(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`)
