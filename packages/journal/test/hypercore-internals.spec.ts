import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asNodeId, asVolumeId, equalBytes, hexOf } from '@holdfast/ports'
import type { LogIdentity } from '@holdfast/ports'
import Corestore from 'corestore'
import hypercoreCrypto from 'hypercore-crypto'
import { coreKeyOf, manifestOf, packSignature, treeSignable, unpackSignature } from '../src/log/hypercore-internals.ts'
import { appendToPeaks, NO_PEAKS, treeHashOf } from '../src/log/peaks.ts'

const keyPair = hypercoreCrypto.keyPair(new Uint8Array(32).fill(3))
const identity: LogIdentity = {
  volume: asVolumeId(new Uint8Array(16).fill(1)),
  epoch: 7,
  writer: asNodeId(new Uint8Array(keyPair.publicKey)),
  claimHash: new Uint8Array(32).fill(9),
}
const blocks = ['a', 'bc', 'def'].map((text) => new TextEncoder().encode(text))

describe('what is taken from the inside of hypercore', () => {
  it('is known for the versions that are installed', () => {
    const require = createRequire(import.meta.url)
    const versionOf = (name: string): string => (require(`${name}/package.json`) as { version: string }).version
    assert.deepEqual(['hypercore', 'hypercore-storage', 'corestore'].map(versionOf), ['11.37.1', '3.3.1', '7.12.5'])
  })

  it('core key, tree hash, signable and packed signature are the bytes that they were', () => {
    const peaks = appendToPeaks(NO_PEAKS, blocks)
    const key = coreKeyOf(identity)
    assert.equal(hexOf(manifestOf(identity).signers[0]?.namespace ?? key), GOLDEN.namespace)
    assert.equal(hexOf(key), GOLDEN.coreKey)
    assert.equal(hexOf(treeHashOf(peaks)), GOLDEN.treeHash)
    assert.equal(hexOf(treeSignable(key, treeHashOf(peaks), 3)), GOLDEN.signable)
    assert.equal(hexOf(packSignature(new Uint8Array(64).fill(5))), GOLDEN.packed)
  })

  it('a packed signature is unpacked, and one of another shape is not', () => {
    const signature = new Uint8Array(64).map((_, index) => index)
    assert.equal(hexOf(unpackSignature(packSignature(signature)) ?? packSignature(signature)), hexOf(signature))
    const packed = packSignature(signature)
    const ofSignerOne = packed.map((byte, index) => (index === 1 ? byte + 1 : byte))
    assert.equal(unpackSignature(ofSignerOne), undefined)
  })

  describe('is accepted by hypercore itself', () => {
    let directory: string
    let store: Corestore
    before(() => {
      directory = mkdtempSync(join(tmpdir(), 'holdfast-journal-'))
      store = new Corestore(directory, { allowBackup: true })
    })
    after(async () => {
      await store.close()
      rmSync(directory, { recursive: true })
    })

    it('signed first, appended without a secret key; a wrong signature leaves nothing behind', async () => {
      const key = coreKeyOf(identity)
      const manifest = manifestOf(identity)
      const core = store.get({ key, manifest, writable: true, allowFork: false, wait: false, active: false })
      await core.ready()
      let peaks = NO_PEAKS
      for (let round = 0; round < 20; round++) {
        const batch = blocks.slice(0, 1 + (round % 3))
        peaks = appendToPeaks(peaks, batch)
        const signable = treeSignable(key, treeHashOf(peaks), peaks.length)
        const signature = hypercoreCrypto.sign(signable, keyPair.secretKey)
        const wrong = signature.map((byte, index) => (index === round ? byte ^ 1 : byte))
        const before = core.length
        await assert.rejects(core.append(batch, { signature: packSignature(wrong) }), { code: 'INVALID_SIGNATURE' })
        assert.equal(core.length, before)
        await core.append(batch, { signature: packSignature(signature) })
        const { upgrade, fork } = await core.proof({ upgrade: { start: 0, length: core.length } })
        assert.equal(fork, 0)
        assert.deepEqual(
          upgrade.nodes.map(({ index, size, hash }) => ({ index, size, hash: hexOf(hash) })),
          peaks.roots.map(({ index, size, hash }) => ({ index, size, hash: hexOf(hash) })),
        )
        assert.ok(equalBytes(unpackSignature(upgrade.signature) ?? wrong, signature))
      }
      assert.equal(core.length, peaks.length)
    })
  })
})

const GOLDEN = {
  namespace: '0d19a8c9e5349b64abf5915ec6f77c5f79894d310e4937ba786f8c2be9f1b34a',
  coreKey: '20fc72ec731205e15b43a15f8a1d93b6439ca394bf4dafac6c98a8d38f27b9a7',
  treeHash: '03f80d431a89ed9b4b33bdd11b37b8ac23439b77c2059fea9e82ac8d85161fd9',
  signable:
    '9fac70b50ca14efc4e91c833b204e75b8b5aad8b5881bfc0adb5ef38a3275b9c20fc72ec731205e15b43a15f8a1d93b6439ca394bf4dafac6c98a8d38f27b9a703f80d431a89ed9b4b33bdd11b37b8ac23439b77c2059fea9e82ac8d85161fd903000000000000000000000000000000',
  packed:
    '0100050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050505050000',
}
