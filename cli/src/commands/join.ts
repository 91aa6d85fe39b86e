import type { Define } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import type { Run } from '../io.ts'
import { createOutput, printResult } from '../output.ts'
import { readArgument } from '../secrets.ts'
import { addNewNodeFlags, newNodeOptions, newNodeRequest, type NewNodeFlags, type NewNodeOptions } from './new-node.ts'

export interface JoinOptions extends NewNodeOptions {
  /** The token, `-` or `@FILE`. */
  readonly token: string
}

export const defineJoin: Define = (parent, start) => {
  const command = parent
    .command('join')
    .description(
      'make this home a node of the mesh that the token is for; a home of that mesh, brought back from an old copy, learns who is in it',
    )
    .argument('<TOKEN>', 'as holdfast invite printed it; @FILE reads a file, - standard input')
  addNewNodeFlags(command).action((token: string, flags: NewNodeFlags) =>
    start(runJoin, { token, ...newNodeOptions(flags) }),
  )
}

export const runJoin: Run<JoinOptions> = async (signal, options, io) => {
  const request = await newNodeRequest(options, io)
  const token = await readArgument(options.token, 'token', io)
  const local = await io.local()
  const node = await local.join({ ...request, token }, signal)
  if (node.charterVersion !== undefined) {
    await printResult(options, io, { ...node, home: options.home }, () => [
      `node ${node.node} in ${options.home} was in mesh ${node.mesh} already and knows its charter again, version ${node.charterVersion}; its data was not touched`,
    ])
    await createOutput(options, io).note('next: holdfast up')
    return EXIT.done
  }
  await printResult(options, io, { ...node, home: options.home }, () => [
    `node ${node.node} in ${options.home} belongs to mesh ${node.mesh.slice(0, 8)}, region ${node.region}, role ${node.role}, and listens at ${node.listen.join(' ')}`,
  ])
  await createOutput(options, io).note('next: holdfast up')
  return EXIT.done
}
