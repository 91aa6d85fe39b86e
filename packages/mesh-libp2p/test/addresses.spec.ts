import assert from 'node:assert/strict'
import { multiaddr } from '@multiformats/multiaddr'
import { formatHostPort, parseHostPort, reachableHostPorts, resolveHostPort } from '../src/addresses.ts'

describe('addresses', () => {
  it('reads and writes host:port', () => {
    for (const text of ['127.0.0.1:0', '[::1]:4001', 'node-1.example:65535']) {
      assert.equal(formatHostPort(parseHostPort(text)), text)
    }
    for (const text of ['', '127.0.0.1', ':80', '::1:80', 'a:70000', 'a b:1', '/ip4/1.2.3.4/tcp/1']) {
      assert.throws(() => parseHostPort(text), { code: 'HF_BAD_INPUT' }, text)
    }
  })

  it('resolves to multiaddrs', async () => {
    assert.deepEqual((await resolveHostPort('127.0.0.1:80')).map(String), ['/ip4/127.0.0.1/tcp/80'])
    assert.deepEqual((await resolveHostPort('[::1]:80')).map(String), ['/ip6/::1/tcp/80'])
    await assert.rejects(resolveHostPort('no-such-name.invalid:80'), { code: 'HF_PEER_UNREACHABLE' })
  })

  it('announces loopback only if there is nothing else', () => {
    assert.deepEqual(at('/ip4/127.0.0.1'), ['127.0.0.1:4001'])
    assert.deepEqual(at('/ip4/127.0.0.1', '/ip4/10.0.0.7', '/ip6/::1', '/ip6/fe80::1'), ['10.0.0.7:4001'])
    assert.deepEqual(at('/ip6/2001:db8::1', '/ip6/2001:db8::1'), ['[2001:db8::1]:4001'])
  })
})

const at = (...hosts: string[]): string[] => reachableHostPorts(hosts.map((h) => multiaddr(`${h}/tcp/4001`)))
