/** A chart of measured curves as SVG, both axes logarithmic: what grows no faster than linear is no steeper than the dashed line. Pure. */

export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

const WIDTH = 640
const HEIGHT = 400
const LEFT = 70
const TOP = 36
const RIGHT = 150
const BOTTOM = 48
const COLOURS = ['#1b6ca8', '#c0392b', '#27834f', '#8e44ad', '#b7791f', '#555555']

/** Curves over a common range; each point is above 0. The dashed line is linear growth from the first point of the first curve. */
export function growthChart(title: string, xName: string, yName: string, curves: readonly Curve[]): string {
  const all = curves.flatMap(({ points }) => points)
  const x = scaleOf(
    all.map(([at]) => at),
    LEFT,
    WIDTH - RIGHT,
  )
  const y = scaleOf(
    all.map(([, at]) => at),
    HEIGHT - BOTTOM,
    TOP,
  )
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(LEFT, 20, title, 'font-size="14"'),
    ...x.decades.map((at) => tick(x.place(at), TOP, x.place(at), HEIGHT - BOTTOM)),
    ...x.decades.map((at) => text(x.place(at), HEIGHT - BOTTOM + 16, shown(at), 'text-anchor="middle"')),
    ...y.decades.map((at) => tick(LEFT, y.place(at), WIDTH - RIGHT, y.place(at))),
    ...y.decades.map((at) => text(LEFT - 6, y.place(at) + 4, shown(at), 'text-anchor="end"')),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, xName, 'text-anchor="middle"'),
    text(LEFT, TOP - 4, yName),
  ]
  for (const [index, { name, points }] of curves.entries()) {
    const colour = COLOURS[index % COLOURS.length] ?? 'black'
    const places = points.map((point) => `${round(x.place(point[0]))},${round(y.place(point[1]))}`)
    lines.push(`<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`)
    for (const [cx, cy] of places.map((place) => place.split(',')))
      lines.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`)
    lines.push(text(WIDTH - RIGHT + 10, TOP + 16 * (index + 1), name, `fill="${colour}"`))
  }
  const [first, last] = [curves[0]?.points[0], curves[0]?.points.at(-1)]
  if (first !== undefined && last !== undefined) {
    const [from, to] = [first, [last[0], (first[1] * last[0]) / first[0]] as const].map(
      (point) => [round(x.place(point[0])), round(Math.max(TOP, y.place(point[1])))] as const,
    )
    lines.push(`<path d="M${from?.join(' ')} L${to?.join(' ')}" stroke="#999999" stroke-dasharray="4 4" fill="none"/>`)
    lines.push(text(WIDTH - RIGHT + 10, TOP + 16 * (curves.length + 1), 'linear', 'fill="#999999"'))
  }
  return `${[...lines, '</svg>'].join('\n')}\n`
}

/** Places of numbers on a logarithmic axis from the decade below the least to that above the greatest. */
function scaleOf(values: readonly number[], from: number, to: number) {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  return {
    place: (value: number): number => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    decades: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
  }
}

const round = (value: number): number => Math.round(value * 10) / 10
const shown = (value: number): string => value.toLocaleString('en')
const tick = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="#e0e0e0"/>`
const text = (x: number, y: number, content: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" ${more}>${content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`
