import { Argument, Option } from 'commander'
import { NODE_ROLES, type CharterChangeAnswer, type NodeClient, type NodeRole } from '@holdfast/node/api'
import { given, type Define } from '../command.ts'
import { confirm } from '../confirm.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Io, Run } from '../io.ts'
import { printResult } from '../output.ts'
import { OPERATOR_KEY_FLAG, operatorKeyOf } from './node.ts'
import { memberLines } from './status.ts'

export interface MemberLsOptions extends GlobalOptions {
  readonly volume: string
}

export interface MemberOptions extends GlobalOptions {
  readonly volume: string
  readonly node: string
  readonly operatorKeyFile?: string
}

export interface MemberWithRoleOptions extends MemberOptions {
  readonly role: NodeRole
}

export const defineMember: Define = (parent, start) => {
  const member = parent.command('member').description('the members of a volume')
  member
    .command('ls')
    .description('list them and what they hold')
    .argument('<VOLUME>')
    .action((volume: string) => start(runMemberLs, { volume }))
  member
    .command('add')
    .description('make a node a member; above the copies set at protect it asks for the operator key')
    .argument('<VOLUME>')
    .argument('<NODE>')
    .addOption(new Option('--role <ROLE>', 'what it holds').choices(NODE_ROLES).default('full'))
    .option(...OPERATOR_KEY_FLAG)
    .action((volume: string, node: string, flags: { role: NodeRole; operatorKey?: string }) =>
      start(runMemberAdd, { volume, node, role: flags.role, ...given({ operatorKeyFile: flags.operatorKey }) }),
    )
  member
    .command('remove')
    .description('end a membership; asks for the operator key')
    .argument('<VOLUME>')
    .argument('<NODE>')
    .option(...OPERATOR_KEY_FLAG)
    .action((volume: string, node: string, flags: { operatorKey?: string }) =>
      start(runMemberRemove, { volume, node, ...given({ operatorKeyFile: flags.operatorKey }) }),
    )
  member
    .command('role')
    .description('change a role; asks for the operator key')
    .argument('<VOLUME>')
    .argument('<NODE>')
    .addArgument(new Argument('<ROLE>').choices(NODE_ROLES))
    .option(...OPERATOR_KEY_FLAG)
    .action((volume: string, node: string, role: NodeRole, flags: { operatorKey?: string }) =>
      start(runMemberRole, { volume, node, role, ...given({ operatorKeyFile: flags.operatorKey }) }),
    )
}

export const runMemberLs: Run<MemberLsOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const members = await node.members({ volume: options.volume }, { signal })
    const length = Math.max(0, ...members.map((each) => each.acceptedLength))
    await printResult(options, io, members, () => memberLines(members, length).map((line) => line.trimStart()))
    return EXIT.done
  })

export const runMemberAdd: Run<MemberWithRoleOptions> = (signal, options, io) =>
  change(signal, options, io, (node, key) =>
    node.memberAdd({ volume: options.volume, node: options.node, role: options.role, ...key }, { signal }),
  )

export const runMemberRemove: Run<MemberOptions> = async (signal, options, io) => {
  await confirm(signal, options, io, `Remove member ${options.node} of ${options.volume}? Its copy no longer counts.`)
  return change(signal, options, io, (node, key) =>
    node.memberRemove({ volume: options.volume, node: options.node, ...key }, { signal }),
  )
}

export const runMemberRole: Run<MemberWithRoleOptions> = (signal, options, io) =>
  change(signal, options, io, (node, key) =>
    node.memberRole({ volume: options.volume, node: options.node, role: options.role, ...key }, { signal }),
  )

async function change(
  signal: AbortSignal,
  options: MemberOptions,
  io: Io,
  call: (node: NodeClient, key: { operatorKey?: string }) => Promise<CharterChangeAnswer>,
): Promise<number> {
  const key = await operatorKeyOf(options, io)
  return withNode(signal, options, io, async (node) => {
    const answer = await call(node, key)
    await printResult(options, io, answer, () => [answer.message])
    return EXIT.done
  })
}
