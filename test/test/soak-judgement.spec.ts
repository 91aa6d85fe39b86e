import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { judge, tableOf } from '../soak/judgement.ts'
import { type NodeSample, type Sample, Samples } from '../soak/samples.ts'

const MIB = 1024 * 1024
const SECONDS = 3600

/** One node, a sample a minute, over an hour. */
function course(of: (minute: number) => Partial<NodeSample>): Sample[] {
  return Array.from({ length: 60 }, (_, minute) => ({
    elapsedSeconds: minute * 60 + 30,
    writtenBytes: minute * 10 * MIB,
    counts: { kills: 0, restarts: 0, flushes: 0, refusals: 0 },
    nodes: [
      {
        node: 'a',
        uptimeSeconds: minute * 60,
        rssBytes: 200 * MIB,
        heapBytes: (40 + (minute % 5) * 6) * MIB,
        descriptors: 80 + (minute % 3),
        homeBytes: minute * 11 * MIB,
        storedBytes: minute * 10 * MIB,
        ...of(minute),
      },
    ],
  }))
}

const findings = (of: (minute: number) => Partial<NodeSample>): readonly string[] => judge(course(of), SECONDS).findings

describe('judgement of a soak', () => {
  it('is content with memory that goes up and down, and with what the first half brought', () => {
    assert.deepEqual(
      findings(() => ({})),
      [],
    )
    assert.deepEqual(
      findings((minute) => ({ rssBytes: Math.min(200, 50 + minute * 10) * MIB })),
      [],
    )
  })

  it('finds memory or a heap that grows in the second half', () => {
    assert.match(findings((minute) => ({ rssBytes: (200 + minute * 2) * MIB }))[0] ?? '', /a: its memory grew by 60\.0/)
    assert.match(findings((minute) => ({ heapBytes: (40 + minute) * MIB }))[0] ?? '', /a: its heap grew by 30\.0/)
  })

  it('does not take the first minutes of a restarted process for growth, and says when there is too little to judge', () => {
    const young = (minute: number): number => (minute % 10) * 60
    assert.deepEqual(
      findings((minute) => ({ uptimeSeconds: young(minute), rssBytes: (young(minute) < 120 ? 90 : 200) * MIB })),
      [],
    )
    const judgement = judge(
      course(() => ({ uptimeSeconds: 1, rssBytes: 1 })),
      SECONDS,
    )
    assert.equal(judgement.nodes[0]?.rss, undefined)
    assert.match(tableOf(judgement), /too few samples/)
  })

  it('finds descriptors that are not given back, and a home larger than what was written', () => {
    assert.match(findings((minute) => ({ descriptors: 80 + minute }))[0] ?? '', /up to 139 descriptors .*, 109 before/)
    assert.match(findings((minute) => ({ homeBytes: minute * 20 * MIB }))[0] ?? '', /1180\.0 MiB for 590\.0 MiB/)
  })

  it('goes on with the samples of a soak that was stopped in the middle of a line', () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-samples-'))
    const file = join(directory, 'samples')
    const [first, second] = course(() => ({}))
    assert.ok(first !== undefined && second !== undefined)
    new Samples(file).add(first)
    writeFileSync(file, `${readFileSync(file, 'utf8')}{"elapsed`)
    const samples = new Samples(file)
    assert.deepEqual(samples.all, [first])
    samples.add(second)
    assert.deepEqual(new Samples(file).all, [first, second])
    rmSync(directory, { recursive: true })
  })
})
