const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Bytes for people, IEC: `0 B`, `1.5 KiB`, `120 MiB`. */
export function sizeText(bytes: number): string {
  let value = bytes
  let unit = 0
  // 1023.95 would be printed as 1024.0.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`
}

/** With thousands separated: `12,034`. */
export const countText = (count: number): string => count.toLocaleString('en-US')

/** `1 file`, `2,000 files`. */
export const filesText = (count: number): string => `${countText(count)} ${count === 1 ? 'file' : 'files'}`
