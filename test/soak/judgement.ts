/** Whether what nodes occupied in a soak stays within bounds, as far as samples tell. Pure. */
import type { NodeSample, Sample } from './samples.ts'

const MIB = 1024 * 1024

/** Memory of one process may grow by this much in the second half: the larger of a part of its mean and a number of bytes. A heap
 *  that is collected goes up and down by more than a few MiB; a leak of 1 KiB per version is above this after half an hour. */
export const GROWTH_RATIO_MAX = 0.15
export const GROWTH_BYTES_MAX = 24 * MIB
/** A process that starts fills its caches: samples of its first minutes say nothing about its growth. */
export const WARM_SECONDS = 120
/** Fewer samples give no slope. */
export const SAMPLES_MIN = 8
/** Descriptors of the second half may be more than the highest number of the first by as much. */
export const DESCRIPTORS_GROWTH_MAX = 16
/** Everything is kept, so a home grows with what was written: frames, journal, catalog and stat store on top of the content, plus
 *  what a small home occupies (an open pack, write-ahead files). */
export const HOME_RATIO_MAX = 1.25
export const HOME_BYTES_BASE = 192 * MIB

/** How one node did in the second half. Growth: by the line of least squares, from the half to the end, bytes. */
export interface NodeCourse {
  readonly node: string
  readonly samples: number
  readonly rss: Course | undefined
  readonly heap: Course | undefined
  readonly descriptorsBefore: number
  readonly descriptorsAfter: number
  readonly homeBytes: number
  readonly writtenBytes: number
}

export interface Course {
  readonly meanBytes: number
  readonly growthBytes: number
}

export interface Judgement {
  readonly nodes: readonly NodeCourse[]
  /** What is out of bounds, a sentence each. */
  readonly findings: readonly string[]
}

/** Judges the second half of `seconds`. Memory is judged where a process lived long enough to tell. */
export function judge(samples: readonly Sample[], seconds: number): Judgement {
  const names = [...new Set(samples.flatMap(({ nodes }) => nodes.map(({ node }) => node)))].toSorted()
  const nodes = names.map((name) => courseOf(name, samples, seconds / 2))
  return { nodes, findings: nodes.flatMap((course) => [...findingsOf(course)]) }
}

interface Point extends NodeSample {
  readonly elapsedSeconds: number
  readonly writtenBytes: number
}

function courseOf(name: string, samples: readonly Sample[], halfSeconds: number): NodeCourse {
  const points = samples.flatMap(({ elapsedSeconds, writtenBytes, nodes }): Point[] => {
    const found = nodes.find(({ node }) => node === name)
    return found === undefined ? [] : [{ ...found, elapsedSeconds, writtenBytes }]
  })
  const before = points.filter(({ elapsedSeconds }) => elapsedSeconds < halfSeconds)
  const after = points.filter(({ elapsedSeconds }) => elapsedSeconds >= halfSeconds)
  const warm = after.filter(({ uptimeSeconds }) => uptimeSeconds >= WARM_SECONDS)
  const last = points.at(-1)
  return {
    node: name,
    samples: warm.length,
    rss: growthOf(warm, ({ rssBytes }) => rssBytes, halfSeconds),
    heap: growthOf(warm, ({ heapBytes }) => heapBytes, halfSeconds),
    descriptorsBefore: Math.max(0, ...before.map(({ descriptors }) => descriptors)),
    descriptorsAfter: Math.max(0, ...after.map(({ descriptors }) => descriptors)),
    homeBytes: last?.homeBytes ?? 0,
    writtenBytes: last?.writtenBytes ?? 0,
  }
}

/** Slope of least squares × the length of a half. */
function growthOf(points: readonly Point[], value: (point: Point) => number, halfSeconds: number): Course | undefined {
  if (points.length < SAMPLES_MIN) return undefined
  const meanOf = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const meanSeconds = meanOf(({ elapsedSeconds }) => elapsedSeconds)
  const meanBytes = meanOf(value)
  const spread = meanOf(({ elapsedSeconds }) => (elapsedSeconds - meanSeconds) ** 2)
  const covariance = meanOf((point) => (point.elapsedSeconds - meanSeconds) * (value(point) - meanBytes))
  return { meanBytes, growthBytes: spread === 0 ? 0 : (covariance / spread) * halfSeconds }
}

function* findingsOf(course: NodeCourse): Generator<string> {
  const { node, descriptorsBefore, descriptorsAfter, homeBytes, writtenBytes } = course
  for (const [what, of] of [
    ['memory', course.rss],
    ['heap', course.heap],
  ] as const) {
    if (of === undefined || of.growthBytes <= Math.max(GROWTH_BYTES_MAX, GROWTH_RATIO_MAX * of.meanBytes)) continue
    yield `${node}: its ${what} grew by ${mib(of.growthBytes)} MiB in the second half, around ${mib(of.meanBytes)} MiB`
  }
  if (descriptorsBefore > 0 && descriptorsAfter > descriptorsBefore + DESCRIPTORS_GROWTH_MAX)
    yield `${node}: up to ${descriptorsAfter} descriptors in the second half, ${descriptorsBefore} before`
  if (homeBytes > HOME_RATIO_MAX * writtenBytes + HOME_BYTES_BASE)
    yield `${node}: its home has ${mib(homeBytes)} MiB for ${mib(writtenBytes)} MiB that were written`
}

const mib = (bytes: number): string => (bytes / MIB).toFixed(1)

/** The courses as a table of Markdown. */
export function tableOf({ nodes }: Judgement): string {
  const text = (course: Course | undefined): string =>
    course === undefined
      ? 'too few samples'
      : `${mib(course.meanBytes)}, ${course.growthBytes < 0 ? '' : '+'}${mib(course.growthBytes)}`
  const rows = nodes.map((course) => [
    course.node,
    String(course.samples),
    text(course.rss),
    text(course.heap),
    `${course.descriptorsBefore}, ${course.descriptorsAfter}`,
    `${mib(course.homeBytes)} / ${mib(course.writtenBytes)}`,
  ])
  const head = [
    'node',
    'warm samples in the second half',
    'memory MiB: mean, growth',
    'heap MiB: mean, growth',
    'descriptors at most: first half, second',
    'home / written MiB',
  ]
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
