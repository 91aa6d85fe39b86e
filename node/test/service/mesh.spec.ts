import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { formatOperatorKey } from '@holdfast/keys'
import { equalBytes, hexOf } from '@holdfast/ports'
import { createMesh } from '../../src/service/mesh.ts'
import type { ServiceParts } from '../../src/service/parts.ts'
import { AuthorityWorld, operatorKey, withCode, type MeshNode } from '../authority/fixture.ts'

const CALL = { signal: new AbortController().signal }
const key = { operatorKey: formatOperatorKey(operatorKey) }

describe('the mesh as the control API shows and changes it', () => {
  let world: AuthorityWorld
  let base: string
  beforeEach(() => {
    world = new AuthorityWorld()
    base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-mesh-')))
    for (const name of ['home', 'drive', 'data', 'a:b']) fs.mkdirSync(path.join(base, name))
  })
  afterEach(async () => {
    await world.end()
    fs.rmSync(base, { recursive: true })
  })

  const place = (name: string): string => path.join(base, name)
  /** Volumes whose directory became known. */
  const known: string[] = []
  const meshOf = (node: MeshNode) =>
    createMesh(
      {
        authority: node.authority,
        self: node.id,
        volumesOpened: () => Promise.resolve(),
        directoryKnown: async (volume) => void known.push(hexOf(volume)),
        log: { warn() {} } as unknown as ServiceParts['log'],
      } as Partial<ServiceParts> as ServiceParts,
      { home: place('home'), drive: place('drive') },
    )

  it('a directory whose name cannot be a volume’s: refused with the way out, and the way out works', async () => {
    const mesh = meshOf(await world.found())
    const directory = place('a:b')
    await assert.rejects(mesh.protect({ directory }, CALL), withCode('HF_BAD_INPUT', /name of the directory/))
    await assert.rejects(mesh.protect({ directory, name: '-x' }, CALL), withCode('HF_BAD_INPUT', /--name/))
    assert.equal((await mesh.protect({ directory, name: 'ab' }, CALL)).volume, 'ab')
  })

  it('a protected directory is protected once; unprotected it can be gone on with, or become another volume', async () => {
    const node = await world.found()
    const mesh = meshOf(node)
    const directory = place('data')
    const first = await mesh.protect({ directory, copies: 2 }, CALL)
    await assert.rejects(mesh.protect({ directory }, CALL), withCode('HF_ALREADY_EXISTS', /as volume data/))
    await mesh.unprotect({ volume: 'data' }, CALL)
    await assert.rejects(mesh.protect({ directory, copies: 3 }, CALL), withCode('HF_POLICY', /made with 2 copies/))
    const again = await mesh.protect({ directory }, CALL)
    assert.deepEqual(again, first)
    assert.equal(node.state.volumes().length, 1)
    await mesh.unprotect({ volume: 'data' }, CALL)
    const other = await mesh.protect({ directory, name: 'other' }, CALL)
    assert.notEqual(other.id, first.id)
    await assert.rejects(mesh.protect({ directory }, CALL), withCode('HF_ALREADY_EXISTS', /as volume other/))
  })

  it('a home that has forgotten which directory a volume is: protecting it under its name goes on with it', async () => {
    const node = await world.found()
    const made = await meshOf(node).protect({ directory: place('data'), copies: 1 }, CALL)
    await node.stop()
    node.home.writeState('directories', Uint8Array.of(1, 0))
    await node.start()
    const mesh = meshOf(node)
    assert.deepEqual(await mesh.protect({ directory: place('a:b'), name: 'data' }, CALL), {
      ...made,
      directory: place('a:b'),
    })
    assert.ok(known.includes(made.id))
    assert.equal(node.authority.directories()[0]?.directory, place('a:b'))
    await assert.rejects(mesh.protect({ directory: place('data') }, CALL), withCode('HF_ALREADY_EXISTS'))
  })

  it('more members named than copies: refused before anything is made', async () => {
    const [a] = await world.mesh('a', 'b', 'c')
    assert.ok(a !== undefined)
    const mesh = meshOf(a)
    const request = { directory: place('data'), copies: 2, members: ['b', 'c'] }
    await assert.rejects(mesh.protect(request, CALL), withCode('HF_BAD_INPUT', /3 copies, not 2/))
    await assert.rejects(mesh.protect({ ...request, members: ['b', 'x'] }, CALL), withCode('HF_NOT_FOUND'))
    assert.equal(a.state.volumes().length, 0)
    const made = await world.settle(mesh.protect({ ...request, members: ['a', 'b', 'b'] }, CALL))
    assert.deepEqual(made.members, ['a', 'b'])
  })

  it('removing a node ends its memberships first, and names those that it could not end', async () => {
    const [a, b, c] = await world.mesh('a', 'b', 'c')
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    const mesh = meshOf(a)
    await world.settle(mesh.protect({ directory: place('data'), copies: 2, members: ['b'] }, CALL))
    fs.mkdirSync(place('other'))
    await world.settle(meshOf(c).protect({ directory: place('other'), copies: 3, members: ['a', 'b'] }, CALL))
    await world.untilConnected()
    await assert.rejects(mesh.nodeRemove({ node: 'a', ...key }, CALL), withCode('HF_POLICY', /itself/))
    await assert.rejects(mesh.nodeRemove({ node: 'b' }, CALL), withCode('HF_OPERATOR_KEY'))
    const wrong = { operatorKey: formatOperatorKey(a.key) }
    await assert.rejects(mesh.nodeRemove({ node: 'b', ...wrong }, CALL), withCode('HF_OPERATOR_KEY'))
    assert.equal(a.state.volumes().find(({ name }) => name === 'data')?.members.length, 2, 'nothing was changed')
    const removed = await world.settle(mesh.nodeRemove({ node: 'b', ...key }, CALL))
    assert.match(removed.message, /until you run: holdfast member remove other b on c$/)
    await world.until(() => c.state.node(b.id) === undefined, 'c has heard of it')
    const ended = await world.settle(meshOf(c).memberRemove({ volume: 'other', node: 'b', ...key }, CALL))
    assert.match(ended.message, /b is no member of volume other/)
    assert.deepEqual(
      a.state.volumes().map(({ members }) => members.some(({ node }) => equalBytes(node, b.id))),
      [false, false],
    )
  })

  it('the primary of a volume stays in the mesh until that is unprotected', async () => {
    const [a, b] = await world.mesh('a', 'b')
    assert.ok(a !== undefined && b !== undefined)
    await world.settle(meshOf(b).protect({ directory: place('data'), copies: 1 }, CALL))
    await world.untilConnected()
    await assert.rejects(meshOf(a).nodeRemove({ node: 'b', ...key }, CALL), withCode('HF_POLICY', /primary/))
    assert.equal(a.state.nodes().length, 2)
  })
})
