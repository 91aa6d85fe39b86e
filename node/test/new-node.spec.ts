import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { parseOperatorKey } from '@holdfast/keys'
import { HoldfastError } from '@holdfast/ports'
import { initNode } from '../src/index.ts'
import { withCode } from './authority/fixture.ts'
import { contentOf, temporary } from './home/fixture.ts'

describe('a new node', () => {
  let base: string
  let remove: () => void
  let home: string
  beforeEach(() => {
    ;({ directory: base, remove } = temporary())
    home = path.join(base, 'home')
  })
  afterEach(() => remove())

  const init = (keepSheet: (made: { recoverySheet: string }) => Promise<void>) =>
    initNode({ home, name: 'a', listen: '127.0.0.1:0' }, keepSheet)
  const isNode = (): boolean => fs.existsSync(path.join(home, 'identity'))

  it('there is none before its recovery sheet is safe', async () => {
    let sheet = ''
    const made = await init(async ({ recoverySheet }) => {
      assert.equal(isNode(), false)
      assert.equal(
        fs.existsSync(path.join(home, 'charter')),
        true,
        'all the rest is written, so that little can fail now',
      )
      sheet = recoverySheet
    })
    assert.ok(isNode())
    assert.equal(made.node, 'a')
    parseOperatorKey(sheet)
  })

  it('there is none if the sheet could not be kept, and nothing is left; the next try works', async () => {
    const lost = init(() => Promise.reject(new HoldfastError('HF_DESTINATION', 'nobody reads')))
    await assert.rejects(lost, withCode('HF_DESTINATION', /nobody reads/))
    assert.deepEqual(contentOf(home), {})
    await init(() => Promise.resolve())
    assert.ok(isNode())
  })

  it('two at once in one home: one is made, whole, and the other one says so', async () => {
    let sheets = 0
    const both = await Promise.allSettled([
      init(async () => void sheets++),
      init(async () => void sheets++),
      init(async () => {
        await assert.rejects(
          init(() => Promise.resolve()),
          withCode('HF_HOME_IN_USE'),
        )
        sheets++
      }),
    ])
    assert.equal(both.filter(({ status }) => status === 'fulfilled').length, 1)
    assert.equal(sheets, 1, 'nobody was given the sheet of a node that was not made')
    await assert.rejects(
      init(() => Promise.resolve()),
      withCode('HF_HOME_EXISTS'),
    )
  })

  it('if the last write fails, the sheet is said to belong to no mesh', async () => {
    const failed = init(async () => {
      fs.mkdirSync(path.join(home, 'identity.new'))
    })
    await assert.rejects(failed, withCode('HF_DRIVE_FAILED', /no node was made.*sheet.*belongs to none/))
    assert.equal(isNode(), false)
  })
})
