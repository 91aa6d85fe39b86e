import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { asVolumeId, hexOf } from '@holdfast/ports'
import { chooseMembers, ROLES, type NodeInfo, type Role } from '../src/index.ts'
import { idOf, keyOf, seedBytes } from './world.ts'

const volume = asVolumeId(seedBytes(5, 16))
const node = (number: number, region: string, role: Role = 'full'): NodeInfo => ({
  id: idOf(keyOf(number)),
  name: `n${number}`,
  region,
  role,
})
const names = (nodes: readonly NodeInfo[]): string[] => nodes.map(({ name }) => name)
const primary = { node: idOf(keyOf(0)), role: 'full' as const }

describe('placement', () => {
  it('takes unused regions first', () => {
    const nodes = [node(0, 'eu'), node(1, 'eu'), node(2, 'eu'), node(3, 'us'), node(4, 'ap')]
    const chosen = chooseMembers({ volume, nodes, members: [primary], copies: 3 })
    assert.deepEqual(chosen.map(({ region }) => region).toSorted(), ['ap', 'us'])
  })

  it('fills up from used regions when there is no other, and stops when no node is left', () => {
    const nodes = [node(0, 'eu'), node(1, 'eu'), node(2, 'us')]
    assert.deepEqual(names(chooseMembers({ volume, nodes, members: [primary], copies: 5 })), ['n2', 'n1'])
  })

  it('never takes witnesses and vaults, learners only after nodes with a vote', () => {
    const nodes = [
      node(0, 'eu'),
      node(1, 'us', 'witness'),
      node(2, 'ap', 'vault'),
      node(3, 'sa', 'learner'),
      node(4, 'eu', 'blind'),
    ]
    assert.deepEqual(names(chooseMembers({ volume, nodes, members: [primary], copies: 5 })), ['n4', 'n3'])
  })

  it('counts the members there are, but not witnesses', () => {
    const nodes = [node(0, 'eu'), node(1, 'us'), node(2, 'ap'), node(3, 'sa')]
    const members = [primary, { node: idOf(keyOf(1)), role: 'witness' as const }]
    assert.equal(chooseMembers({ volume, nodes, members, copies: 2 }).length, 1)
    assert.equal(chooseMembers({ volume, nodes, members: [primary], copies: 1 }).length, 0)
  })

  it('does not depend on the order of nodes; a node that leaves moves only its own copies', () => {
    const nodes = Array.from({ length: 12 }, (_, number) => node(number, `region-${number % 4}`, ROLES[number % 2]))
    fc.assert(
      fc.property(
        fc.shuffledSubarray(nodes, { minLength: nodes.length }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (shuffled, id) => {
          const question = { volume: asVolumeId(id), members: [primary], copies: 3 }
          const chosen = chooseMembers({ ...question, nodes })
          assert.deepEqual(chooseMembers({ ...question, nodes: shuffled }), chosen)
          const unused = nodes.find((other) => !chosen.includes(other) && hexOf(other.id) !== hexOf(primary.node))
          assert.deepEqual(chooseMembers({ ...question, nodes: nodes.filter((other) => other !== unused) }), chosen)
        },
      ),
    )
  })

  it('spreads volumes over equal nodes', () => {
    const nodes = [0, 1, 2, 3].map((number) => node(number, `r${number}`))
    const counts = new Map<string, number>()
    for (let first = 0; first < 240; first++) {
      const [chosen] = chooseMembers({ volume: asVolumeId(seedBytes(first, 16)), nodes, members: [primary], copies: 2 })
      counts.set(chosen?.name ?? '', (counts.get(chosen?.name ?? '') ?? 0) + 1)
    }
    for (const name of ['n1', 'n2', 'n3']) assert.ok((counts.get(name) ?? 0) > 50, `${name}: ${counts.get(name)}`)
  })
})
