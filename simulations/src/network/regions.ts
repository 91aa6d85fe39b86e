/** Round-trip times between regions, ms; the diagonal is inside one. Source: the cloudping.co sample that ships in libp2p/jvm-libp2p. */
const TABLE: readonly (readonly [region: string, ...rttMs: number[]])[] = [
  ['use1', 4, 64, 14, 114, 70, 92, 232, 160, 186, 212, 146, 198],
  ['usw2', 3, 60, 174, 119, 140, 274, 212, 218, 162, 98, 140],
  ['cac1', 2, 125, 70, 92, 224, 162, 186, 210, 144, 198],
  ['sae1', 1, 176, 204, 342, 272, 298, 322, 256, 312],
  ['euw1', 1, 26, 158, 96, 120, 182, 201, 256],
  ['euc1', 2, 160, 86, 110, 158, 223, 249],
  ['afs1', 3, 145, 158, 203, 356, 412],
  ['mes1', 1, 35, 86, 162, 178],
  ['aps1', 1, 56, 124, 146],
  ['apse1', 1, 68, 93],
  ['apne1', 4, 106],
  ['apse2', 1],
]

export const REGION_COUNT = TABLE.length

export const regionName = (index: number): string => TABLE[index]?.[0] ?? ''

/** Between two regions by index, in either order. */
export function roundTripMs(a: number, b: number): number {
  const row = TABLE[Math.min(a, b)]
  const value = row?.[1 + Math.abs(a - b)]
  if (typeof value !== 'number') throw new TypeError(`there is no region ${Math.max(a, b)}`)
  return value
}
