import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import { member } from './answers.ts'
import { FakeNode } from './fake-node.ts'
import { exitErrorOf } from './memory-io.ts'

const parsed = (text: string): unknown => JSON.parse(text)

const answer = (): Promise<{ charterVersion: number; message: string }> =>
  Promise.resolve({ charterVersion: 5, message: 'us was removed' })

describe('commands for the mesh', () => {
  let node: FakeNode
  before(async () => {
    node = await FakeNode.start()
  })
  after(() => node.stop())

  describe('the mesh', () => {
    it('invite puts the token, and nothing else, on stdout', async () => {
      node.serve({
        invite: ({ role }) => Promise.resolve({ token: 'hf1abc', expiresAt: '2026-11-23T12:30:00.000Z', role }),
      })
      const ran = await node.run(['invite', '--region', 'us-1'])
      assert.equal(ran.out, 'hf1abc\n')
      assert.match(ran.err, /2026-11-23T12:30:00\.000Z/)
      await node.run(['invite', '--ttl', '10s', '--role', 'blind', '-q'])
      assert.deepEqual(
        node.calls.map((call) => call.request),
        [
          { region: 'us-1', ttlMs: 1_800_000, role: 'full' },
          { ttlMs: 10_000, role: 'blind' },
        ],
      )
      const bad = await node.run(['invite', '--region', 'not:a:region'])
      assert.equal(bad.code, 2)
    })

    it('peers, node ls, member ls', async () => {
      node.serve({
        peers: () =>
          Promise.resolve([
            {
              node: 'us',
              id: 'ab',
              region: 'us-1',
              state: 'unreachable',
              address: 'h:1',
              latencyMs: 80.25,
              reason: 'refused',
            },
            {
              node: 'bad',
              id: 'cd',
              region: 'us-1',
              state: 'set-aside',
              blamed: { protocol: 3, chunk: 1 },
              setAsideUntil: '2026-11-23T04:00:00.000Z',
            },
          ]),
        nodes: () =>
          Promise.resolve([
            {
              node: 'eu',
              id: 'abcdef0123',
              region: 'eu-1',
              role: 'full',
              addresses: ['h:1', 'h:2'],
              self: true,
              voter: true,
            },
          ]),
        members: () =>
          Promise.resolve([
            member('eu', 'eu-1', { role: 'primary' }),
            member('us', 'us-1', { completeLength: 3, lagSeconds: null }),
          ]),
      })
      assert.match((await node.run(['peers'])).out, /us +us-1 +unreachable +h:1 +80\.3 ms +refused/)
      assert.match(
        (await node.run(['peers'])).out,
        /bad +us-1 +set-aside +sent something wrong: 3 × protocol, 1 × chunk; refused until 2026-11-23T04:00:00\.000Z/,
      )
      assert.match((await node.run(['node', 'ls'])).out, /eu \(here\) +abcdef01 +eu-1 +full +votes +h:1 h:2/)
      assert.match(
        (await node.run(['member', 'ls', 'data'])).out,
        /us +us-1 +full +voter +current +3 of 12 blocks complete/,
      )
      assert.equal((parsed((await node.run(['member', 'ls', 'data', '--json'])).out) as unknown[]).length, 2)
    })

    it('removing asks first; the operator key is read from a file', async () => {
      node.serve({ nodeRemove: answer, memberRemove: answer })
      writeFileSync(join(node.home, 'sheet'), 'the sheet\n')
      const key = ['--operator-key', join(node.home, 'sheet')]
      const unasked = await node.run(['node', 'remove', 'us', ...key, '--json'])
      assert.deepEqual([unasked.code, exitErrorOf(unasked).hf_code], [2, 'HF_BAD_INPUT'])
      const no = await node.run(['node', 'remove', 'us', ...key], { terminal: true, answers: ['n'] })
      assert.notEqual(no.code, 0)
      assert.equal(node.calls.length, 0)
      assert.equal(
        (await node.run(['node', 'remove', 'us', ...key], { terminal: true, answers: ['y'] })).out,
        'us was removed\n',
      )
      assert.equal(
        (await node.run(['member', 'remove', 'data', 'us', '--yes', '--operator-key', '-'], { input: 'typed\n' })).code,
        0,
      )
      assert.deepEqual(
        node.calls.map((call) => call.request),
        [
          { node: 'us', operatorKey: 'the sheet' },
          { volume: 'data', node: 'us', operatorKey: 'typed' },
        ],
      )
    })

    it('member add and role; without the key that is needed exit 12', async () => {
      node.serve({
        memberAdd: () => Promise.resolve({ charterVersion: 2, message: 'ap is a member of data' }),
        memberRole: () =>
          Promise.reject(
            new HoldfastError('HF_OPERATOR_KEY', 'the operator key must sign this', { next: '--operator-key FILE' }),
          ),
      })
      assert.equal((await node.run(['member', 'add', 'data', 'ap', '--role', 'learner'])).code, 0)
      assert.equal((await node.run(['member', 'role', 'data', 'ap', 'blind'])).code, 12)
      assert.deepEqual(
        node.calls.map((call) => call.request),
        [
          { volume: 'data', node: 'ap', role: 'learner' },
          { volume: 'data', node: 'ap', role: 'blind' },
        ],
      )
    })

    it('charter log', async () => {
      const entry = {
        version: 2,
        hash: 'ab'.repeat(32),
        time: '2026-11-23T12:00:00.000Z',
        changes: ['us joined'],
        signedBy: ['eu', 'operator'],
      }
      node.serve({ charterLog: () => Promise.resolve([entry]) })
      assert.equal(
        (await node.run(['charter', 'log'])).out,
        '2  2026-11-23T12:00:00.000Z  abababababababab  signed by eu, operator\n    us joined\n',
      )
    })
  })
})
