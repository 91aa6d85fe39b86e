import assert from 'node:assert/strict'
import { asVolumeId } from '@holdfast/ports'
import { Directories } from '../../src/authority/directories.ts'
import { keyOf, MapHome, withCode } from './fixture.ts'

const VOLUME = asVolumeId(new Uint8Array(16).fill(1))
const OTHER = asVolumeId(new Uint8Array(16).fill(2))

describe('protected directories', () => {
  it('are found again after a restart, whatever their bytes', () => {
    const home = new MapHome(keyOf(1))
    const directories = new Directories(home)
    assert.equal(directories.get(VOLUME), undefined)
    directories.set(VOLUME, '/srv/däta\nwith a line')
    directories.set(OTHER, '/other')
    directories.set(OTHER, '/moved')
    const again = new Directories(home)
    assert.equal(again.get(VOLUME), '/srv/däta\nwith a line')
    assert.deepEqual(
      again.entries().map(({ directory }) => directory),
      ['/srv/däta\nwith a line', '/moved'],
    )
  })

  it('without room nothing is noted, neither here nor on the drive', () => {
    const home = new MapHome(keyOf(1))
    const directories = new Directories(home)
    directories.set(VOLUME, '/data')
    home.failing = 'directories'
    assert.throws(() => directories.set(OTHER, '/other'), withCode('HF_DRIVE_FULL'))
    assert.equal(directories.get(OTHER), undefined)
    assert.equal(directories.entries().length, 1)
    assert.equal(new Directories(home).get(VOLUME), '/data')
  })

  it('a damaged file is said to be damaged, with what to do', () => {
    const home = new MapHome(keyOf(1))
    new Directories(home).set(VOLUME, '/data')
    const good = home.readState('directories') ?? new Uint8Array()
    for (const bad of [
      new Uint8Array(),
      good.subarray(0, 5),
      good.subarray(0, -1),
      Uint8Array.of(9, ...good.subarray(1)),
    ]) {
      home.writeState('directories', bad)
      assert.throws(() => new Directories(home), withCode('HF_DECODE', /damaged/))
    }
  })
})
