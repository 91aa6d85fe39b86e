/** Whether every root of trust of a mesh is whole: what each member holds, the journal, the charter. */
import { Control } from '../src/control.ts'
import type { TestNode } from '../src/holdfast.ts'
import type { Status } from '../src/status.ts'

interface Verified {
  readonly nodes: readonly { readonly missingCount: number; readonly corruptCount: number; readonly chunks: number }[]
}

interface CharterEntry {
  readonly version: number
  readonly hash: string
}

/** Every member reads and hashes all it holds, and says where its journal ends and which charter it has; a sentence for each flaw. */
export async function distrust(nodes: readonly TestNode[], volume: string): Promise<string[]> {
  const findings: string[] = []
  const heads = new Set<string>()
  const charters = new Set<string>()
  for (const node of nodes) {
    const control = new Control(node.home)
    try {
      const { summary } = await control.lines<unknown, Verified>('verify', { volume, readData: true, mesh: false })
      for (const { missingCount, corruptCount, chunks } of summary.nodes) {
        if (chunks === 0) findings.push(`${node.name} holds nothing`)
        if (missingCount > 0) findings.push(`${node.name} lacks ${missingCount} chunks`)
        if (corruptCount > 0) findings.push(`${node.name} holds ${corruptCount} corrupt frames`)
      }
      const { volumes } = await control.document<Status>('status')
      const own = volumes.find(({ name }) => name === volume)
      heads.add(`epoch ${own?.epoch}, ${own?.length} blocks, record ${own?.seq}`)
      const charter = await control.document<readonly CharterEntry[]>('charterLog')
      const ordered = charter.toSorted((a, b) => a.version - b.version)
      charters.add(ordered.map(({ version, hash }) => `${version} ${hash}`).join())
      if (ordered.some(({ version }, index) => version !== (ordered[0]?.version ?? 0) + index))
        findings.push(`${node.name}: its charter has gaps`)
    } finally {
      control.close()
    }
  }
  if (heads.size !== 1) findings.push(`the members' journals end differently: ${[...heads].join('; ')}`)
  if (charters.size !== 1) findings.push('the members have different charters')
  return findings
}
