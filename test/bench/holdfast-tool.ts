/** Holdfast as the measurements use it: the built node as a process of its own, called over its control socket, so that neither the start
 *  of a node nor that of a client is in the figures. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Control } from '../src/control.ts'
import { TestNode } from '../src/holdfast.ts'
import type { Status } from '../src/status.ts'
import { andSync, measureNodes } from './measure.ts'
import type { Tool, ToolKind } from './peers.ts'

export const VOLUME = 'data'
/** Long enough for the largest tree on a slow machine, ms. */
const FLUSH_TIMEOUT_MS = 3_600_000

export const flush = async (control: Control, level: 'local' | 'quorum'): Promise<void> => {
  await control.lines('flush', { volume: VOLUME, level, timeoutMs: FLUSH_TIMEOUT_MS })
}

/** A node on a new home, running, with its client. */
export async function startNode(home: string): Promise<{ node: TestNode; control: Control }> {
  mkdirSync(join(home, '..'), { recursive: true })
  const node = new TestNode('bench', home)
  await node.init()
  await node.up()
  return { node, control: new Control(home) }
}

export const holdfastTool: ToolKind = {
  name: 'holdfast',
  version: () => 'holdfast',
  async open(directory, source) {
    const { node, control } = await startNode(join(directory, 'home'))
    let isProtected = false
    const capture = async (): Promise<void> => {
      if (!isProtected) await control.document('protect', { directory: source, name: VOLUME })
      isProtected = true
      await flush(control, 'local')
    }
    const restore = async (to: string): Promise<void> => {
      const how = { inPlace: false, delete: false, verify: false, dryRun: false, privileged: false }
      await control.lines('restore', { volume: VOLUME, path: '', to, ...how })
    }
    const tool: Tool = {
      capture: () => measureNodes([node.pid], capture),
      restore: (to) => andSync(to, () => measureNodes([node.pid], () => restore(to))),
      storedBytes: async () => (await control.document<Status>('status')).node.storedBytes,
      close: async () => {
        control.close()
        await node.down()
      },
    }
    return tool
  },
}
