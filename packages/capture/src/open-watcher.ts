import { openInotifyWatcher } from './inotify-watcher.ts'
import { libc } from './libc.ts'
import { openParcelWatcher } from './parcel-watcher.ts'
import type { Watcher, WatchOptions } from './watcher.ts'

/** Watches a directory and all below it; resolves once everything there is watched. Linux: inotify; elsewhere @parcel/watcher.
 *  @throws HF_SOURCE_UNAVAILABLE if the root or the system does not allow it: only walks find changes then */
export function openWatcher(options: WatchOptions): Promise<Watcher> {
  const calls = libc()
  return calls === undefined ? openParcelWatcher(options) : openInotifyWatcher(calls, options)
}
