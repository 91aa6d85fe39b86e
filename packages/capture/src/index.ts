/** Walks and watches directories, tells what changed since a known state, and writes trees back faithfully. */
export * from './stat-key.ts'
export * from './watcher.ts'
export * from './walk-types.ts'
