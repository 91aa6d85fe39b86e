/** Walks and watches directories, tells what changed since a known state, and writes trees back faithfully. */
export * from './directory-reader.ts'
export * from './live-tree.ts'
export * from './open-watcher.ts'
export * from './paths.ts'
export * from './stat-key.ts'
export * from './tree-walker.ts'
export * from './watcher.ts'
