import type { PeerAnswer } from '@holdfast/node/api'
import type { Define } from '../command.ts'
import { withNode } from '../connect.ts'
import { EXIT } from '../exit-codes.ts'
import type { GlobalOptions, Run } from '../io.ts'
import { printResult } from '../output.ts'
import { tableLines } from '../text/table.ts'

export const definePeers: Define = (parent, start) => {
  parent
    .command('peers')
    .description('the other nodes of the mesh, and how this one reaches them')
    .action(() => start(runPeers, {}))
}

export const runPeers: Run<GlobalOptions> = (signal, options, io) =>
  withNode(signal, options, io, async (node) => {
    const peers = await node.peers({}, { signal })
    await printResult(options, io, peers, () => {
      if (peers.length === 0) return ['no other node in the mesh: holdfast invite makes a token for one']
      const rows = peers.map((peer) => [
        peer.node,
        peer.region,
        peer.state,
        peer.address ?? '',
        peer.latencyMs === undefined ? '' : `${peer.latencyMs.toFixed(1)} ms`,
        [peer.reason, blameText(peer)].filter(Boolean).join('; '),
      ])
      return tableLines([['NODE', 'REGION', 'STATE', 'ADDRESS', 'LATENCY', ''], ...rows], [4])
    })
    return EXIT.done
  })

/** What a peer was blamed for, and until when it is refused for it. */
function blameText({ blamed = {}, setAsideUntil }: PeerAnswer): string {
  const counts = Object.entries(blamed).map(([reason, count]) => `${count} × ${reason}`)
  const until = setAsideUntil === undefined ? [] : [`refused until ${setAsideUntil}`]
  return [...(counts.length === 0 ? [] : [`sent something wrong: ${counts.join(', ')}`]), ...until].join('; ')
}
