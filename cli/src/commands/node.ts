import { given, type Define } from '../command.ts'
import { confirm } from '../confirm.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printResult } from '../output.ts'
import { readSecretFile } from '../secrets.ts'
import { tableLines } from '../text/table.ts'

export interface NodeRemoveOptions extends GlobalOptions {
  readonly node: string
  readonly operatorKeyFile?: string
}

export const OPERATOR_KEY_FLAG = [
  '--operator-key <FILE>',
  'file with the recovery sheet or its key line; - for standard input',
] as const

export const defineNode: Define = (parent, start) => {
  const node = parent.command('node').description('the nodes of the mesh')
  node
    .command('ls')
    .description('list them')
    .action(() => start(runNodeLs, {}))
  node
    .command('remove')
    .description('take a node out of the mesh; asks for the operator key')
    .argument('<NODE>', 'its name or the beginning of its id')
    .option(...OPERATOR_KEY_FLAG)
    .action((name: string, flags: { operatorKey?: string }) =>
      start(runNodeRemove, { node: name, ...given({ operatorKeyFile: flags.operatorKey }) }),
    )
}

export const runNodeLs: Run<GlobalOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const nodes = await node.nodes({}, { signal })
    await printResult(options, io, nodes, () => {
      const rows = nodes.map((each) => [
        each.self ? `${each.node} (here)` : each.node,
        each.id.slice(0, 8),
        each.region,
        each.role,
        each.voter ? 'votes' : '',
        each.addresses.join(' '),
      ])
      return tableLines([['NODE', 'ID', 'REGION', 'ROLE', 'CHARTER', 'ADDRESSES'], ...rows])
    })
    return EXIT.done
  })

export const runNodeRemove: Run<NodeRemoveOptions> = async (signal, options, io) => {
  await confirm(signal, options, io, `Remove node ${options.node} from the mesh?`)
  const key = await operatorKeyOf(options, io)
  return withNode(signal, options, io, async (node) => {
    const answer = await node.nodeRemove({ node: options.node, ...key }, { signal })
    await printResult(options, io, answer, () => [answer.message])
    return EXIT.done
  })
}

/** The operator key as requests carry it. @throws HF_BAD_INPUT */
export async function operatorKeyOf(
  options: { readonly operatorKeyFile?: string },
  io: Parameters<typeof readSecretFile>[2],
): Promise<{ operatorKey?: string }> {
  if (options.operatorKeyFile === undefined) return {}
  return { operatorKey: await readSecretFile(options.operatorKeyFile, 'operator key', io) }
}
