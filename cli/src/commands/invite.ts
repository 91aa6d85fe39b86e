import { Option } from 'commander'
import { NODE_ROLES, type NodeRole } from '@holdfast/node/api'
import { MINUTE_MS } from '@holdfast/ports'
import { durationValue, given, type Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { createOutput, printResult } from '../output.ts'

export interface InviteOptions extends GlobalOptions {
  readonly region?: string
  readonly ttlMs: number
  readonly role: NodeRole
}

/** Long enough to carry a token to another machine, short enough not to be found later. */
export const INVITE_TTL_MS = 30 * MINUTE_MS

export const defineInvite: Define = (parent, start) => {
  parent
    .command('invite')
    .description('print a one-use token with which another machine joins the mesh: holdfast join TOKEN')
    .option('--region <R>', 'region of the new node')
    .option('--ttl <TIME>', `how long it is good for (default: ${INVITE_TTL_MS / MINUTE_MS}m)`, durationValue)
    .addOption(
      new Option(
        '--role <ROLE>',
        'its role in volumes: full holds data and key, blind holds data without the key, learner has no vote',
      )
        .choices(NODE_ROLES)
        .default('full'),
    )
    .action((flags: { region?: string; ttl?: number; role: NodeRole }) =>
      start(runInvite, { ttlMs: flags.ttl ?? INVITE_TTL_MS, role: flags.role, ...given({ region: flags.region }) }),
    )
}

export const runInvite: Run<InviteOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const { region, ttlMs, role } = options
    const invitation = await node.invite({ ttlMs, role, ...given({ region }) }, { signal })
    await printResult(options, io, invitation, () => [invitation.token])
    if (!options.json)
      await createOutput(options, io).note(`good for one node until ${invitation.expiresAt}; whoever has it can join`)
    return EXIT.done
  })
