/** Captures the protected directories: watches, walks, has changed files read, and hands what was found to the commit pipeline. */
export { createCaptureService } from './capture-service.ts'
export { createStatStore } from './stat-store.ts'
export type * from './types.ts'
