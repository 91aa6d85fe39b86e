import type { ConfigValue } from '../api/mesh-messages.ts'
import type { NodeService } from '../api/service.ts'
import { createFlush, FLUSH_METHOD } from './flush.ts'
import { createLook } from './look.ts'
import { createMesh } from './mesh.ts'
import type { ServiceParts } from './parts.ts'
import { createRestoring } from './restoring.ts'
import { createStatus, type NodeFacts } from './status.ts'
import { createVerifying, VERIFY_METHOD } from './verifying.ts'

export interface NodeServiceOptions {
  readonly parts: ServiceParts
  readonly facts: NodeFacts
  readonly home: string
  readonly config: readonly ConfigValue[]
  readonly rebuild: () => Promise<{ versions: number; journalBlocks: number }>
}

/** Everything that a running node does for the people and programs of its machine. */
export function createNodeService({ parts, facts, home, config, rebuild }: NodeServiceOptions): NodeService {
  const { flush, answerFlush } = createFlush(parts)
  const { verify, repairIndex, answerVerify } = createVerifying(parts, rebuild)
  parts.replication.onCall(FLUSH_METHOD, answerFlush)
  parts.replication.onCall(VERIFY_METHOD, answerVerify)
  return {
    flush,
    verify,
    repairIndex,
    ...createStatus(parts, facts),
    ...createLook(parts),
    ...createRestoring(parts),
    ...createMesh(parts, { home, drive: facts.drive }),
    configShow: () => Promise.resolve(config),
  }
}
