import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { hasCode } from '@holdfast/ports'
import { EDITS_SHOWN_MAX, HOLDERS_WAIT_MS, LiveView, volumeLine } from '../src/demo/live-view.ts'
import { demoDirectory, demoPlaces, demoStateDirectory, volumeNameOf } from '../src/demo/places.ts'
import { shellCommand, shellWord } from '../src/demo/shell-text.ts'
import { member, version, volume } from './answers.ts'

describe('demo: places', () => {
  let directory: string
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'hf-demo-'))))
  afterEach(() => rmSync(directory, { recursive: true }))

  it('state is kept where the user keeps state; three homes in three regions', () => {
    assert.equal(demoStateDirectory({ HOME: '/home/u' }), '/home/u/.local/state/holdfast-demo')
    assert.equal(demoStateDirectory({ HOME: '/home/u', XDG_STATE_HOME: '/var/s' }), '/var/s/holdfast-demo')
    assert.deepEqual(
      demoPlaces('/s').map(({ region, home }) => [region, home]),
      [
        ['eu-1', '/s/eu'],
        ['us-1', '/s/us'],
        ['ap-1', '/s/ap'],
      ],
    )
  })

  it('a directory is relative to where npm was called', () => {
    mkdirSync(join(directory, 'data'))
    assert.equal(demoDirectory('.', directory, { INIT_CWD: join(directory, 'data') }), join(directory, 'data'))
    assert.equal(demoDirectory('data', directory, { INIT_CWD: directory }), join(directory, 'data'))
    writeFileSync(join(directory, 'file'), '')
    for (const bad of ['absent', 'file', 'file/below']) {
      assert.throws(
        () => demoDirectory(bad, directory, { INIT_CWD: directory }),
        (error) => hasCode(error, 'HF_BAD_INPUT'),
      )
    }
  })

  it('without one the sample is copied once, and edits of it stay', () => {
    const sample = demoDirectory(undefined, directory, {})
    assert.ok(existsSync(join(sample, 'README.txt')))
    assert.ok((statSync(join(sample, 'bin', 'hello.sh')).mode & 0o100) !== 0)
    assert.ok(lstatSync(join(sample, 'latest')).isSymbolicLink())
    writeFileSync(join(sample, 'report.txt'), 'mine')
    assert.equal(demoDirectory(undefined, directory, {}), sample)
    assert.equal(readFileSync(join(sample, 'report.txt'), 'utf8'), 'mine')
  })

  it('volumes are named after their directory', () => {
    assert.deepEqual(['/srv/my data', '/', '/x/-a:b'].map(volumeNameOf), ['my data', 'root', 'ab'])
  })

  it('commands can be pasted: property: a shell reads every word back', () => {
    assert.equal(shellCommand('/bin/holdfast', 'log', "my data:it's"), `/bin/holdfast log 'my data:it'\\''s'`)
    const words = fc.array(
      fc.string({ minLength: 1 }).filter((word) => !word.includes('\0')),
      { minLength: 1, maxLength: 20 },
    )
    fc.assert(
      fc.property(words, (list) => {
        const out = execFileSync('sh', ['-c', `printf '%s\\0' ${list.map(shellWord).join(' ')}`])
        assert.deepEqual(out.toString('utf8').split('\0').slice(0, -1), list)
      }),
      { numRuns: 20 },
    )
  })
})

describe('demo: live view', () => {
  const all = volume({ length: 12, seq: 41 })
  const lagging = volume({
    length: 12,
    seq: 41,
    members: [member('eu', 'eu-1'), member('us', 'us-1'), member('ap', 'ap-1', { completeLength: 11 })],
  })

  it('an edit that every member holds is shown at once', () => {
    assert.deepEqual(new LiveView().look(0, all, [version(1)]), [
      '12:00:01.000     1000 B  report.txt  held by eu-1, us-1, ap-1',
    ])
  })

  it('one that a member lacks is shown after a moment with those that hold it, and again when all do', () => {
    const view = new LiveView()
    assert.deepEqual(view.look(0, lagging, [version(1)]), [])
    assert.match(view.look(HOLDERS_WAIT_MS, lagging, []).join(), /held by eu-1, us-1$/)
    assert.deepEqual(view.look(HOLDERS_WAIT_MS * 5, lagging, []), [])
    assert.match(view.look(HOLDERS_WAIT_MS * 6, all, []).join(), /held by eu-1, us-1, ap-1$/)
    assert.deepEqual(view.look(HOLDERS_WAIT_MS * 7, all, []), [])
  })

  it('lengths of a later epoch are not compared with those of an earlier one', () => {
    const view = new LiveView()
    view.look(0, lagging, [version(1)])
    const next = {
      ...lagging,
      epoch: 2,
      length: 1,
      members: lagging.members.map((each) => ({ ...each, completeLength: 1 })),
    }
    assert.match(view.look(1, next, []).join(), /held by eu-1, us-1, ap-1$/)
  })

  it('deletions and odd names are lines too; of very many edits the rest is a number', () => {
    const lines = new LiveView().look(0, all, [
      version(1, { kind: 'delete' }),
      version(2, { path: 'a\nb', type: 'directory' }),
    ])
    assert.match(lines.join('\n'), /deleted {2}report\.txt.*\n.*directory {2}a%0Ab/)
    const many = new LiveView().look(
      0,
      all,
      Array.from({ length: EDITS_SHOWN_MAX + 1000 }, () => version(1)),
    )
    assert.deepEqual([many.length, many[0]], [EDITS_SHOWN_MAX + 1, '1,000 more changes, and:'])
  })

  it('the volume in one line', () => {
    assert.equal(
      volumeLine(all),
      'data: 1,234 files, 56.0 MiB, 1,300 versions; eu-1 current, us-1 current, ap-1 current; nothing would be lost',
    )
    assert.match(volumeLine(volume({ rpoSeconds: 1.2 })), /2 s would be lost$/)
  })
})
