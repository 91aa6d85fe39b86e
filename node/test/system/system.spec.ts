import assert from 'node:assert/strict'
import net from 'node:net'
import { clockContract, randomContract } from '@holdfast/contracts'
import { hasCode } from '@holdfast/ports'
import { claimableAddress, createSystemClock, createSystemRandom } from '../../src/system/index.ts'

describe('system clock', () => {
  clockContract({
    create: createSystemClock,
    pass: (clock, ms) => new Promise((resolve) => void clock.setTimer(ms, resolve)),
  })

  it('a timer of more than 24 days does not run at once, as a bare setTimeout would', async () => {
    const clock = createSystemClock()
    let ran = false
    const timer = clock.setTimer(60 * 24 * 3600 * 1000, () => (ran = true))
    await new Promise<void>((resolve) => void clock.setTimer(20, resolve))
    timer.cancel()
    assert.equal(ran, false)
  })
})

describe('system random', () => randomContract({ create: createSystemRandom }))

describe('an address to listen on', () => {
  let taken: net.Server
  let port: number
  beforeEach(async () => {
    taken = net.createServer()
    await new Promise<void>((resolve) => taken.listen({ host: '127.0.0.1', port: 0 }, resolve))
    const address = taken.address()
    port = typeof address === 'object' && address !== null ? address.port : 0
  })
  afterEach((done) => void taken.close(() => done()))

  it('port 0 becomes a free one', async () => {
    assert.match(await claimableAddress('127.0.0.1:0', false), /^127\.0\.0\.1:[1-9]\d*$/)
  })

  it('one that is taken is HF_PORT_TAKEN, or the next free one is found', async () => {
    await assert.rejects(claimableAddress(`127.0.0.1:${port}`, false), (error) => hasCode(error, 'HF_PORT_TAKEN'))
    const found = await claimableAddress(`127.0.0.1:${port}`, true)
    assert.ok(Number(found.split(':')[1]) > port)
  })

  it('one that is not this machine’s is HF_BAD_INPUT', async () => {
    await assert.rejects(claimableAddress('192.0.2.1:4747', false), (error) => hasCode(error, 'HF_BAD_INPUT'))
  })
})
