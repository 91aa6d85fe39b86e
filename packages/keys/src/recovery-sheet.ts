import { hexOf, type MeshId } from '@holdfast/ports'
import { formatOperatorKey } from './operator-key.ts'
import type { SigningKey } from './signing.ts'

const GROUPS_PER_LINE = 4

export interface RecoverySheet {
  readonly meshId: MeshId
  readonly meshName: string
  readonly operatorKey: SigningKey
  /** As it shall be printed, in UTC. */
  readonly date: string
}

/** The sheet that `init` prints once: the only place where the operator key is kept. `parseOperatorKey` reads it back. */
export function renderRecoverySheet(sheet: RecoverySheet): string {
  const [mark = '', ...groups] = formatOperatorKey(sheet.operatorKey).split('-')
  const lines: string[] = []
  for (let at = 0; at < groups.length; at += GROUPS_PER_LINE)
    lines.push(groups.slice(at, at + GROUPS_PER_LINE).join('-'))
  const indent = ' '.repeat(mark.length + 1)
  return `HOLDFAST RECOVERY SHEET

  Mesh      ${sheet.meshName}
  Mesh id   ${hexOf(sheet.meshId)}
  Made      ${sheet.date}

  Operator key

      ${lines.map((line, index) => (index === 0 ? `${mark}-${line}` : `${indent}${line}`)).join('-\n      ')}

  Keep this sheet on paper or in a password store, away from the servers.
  No node keeps this key, and it cannot be made again. It is needed to remove
  members, to change voters, roles, copies or keys, and to rebuild volumes when
  every server is lost. Whoever holds it, together with the data of any server,
  can read every volume of this mesh.
`
}
