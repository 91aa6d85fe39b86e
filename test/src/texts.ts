/** Content that compresses like what servers hold: prose, JSON lines, HTML, access logs; and disk images made of it. */
import type { Seeded } from './seeded.ts'

const KIB = 1024
const SYLLABLES = 'ba ce di fo gu ha jo ki la me no pa qui ro su ta ve wi xe zo an er ing ion str th ly ment'.split(' ')
const PHRASES_COUNT = 1 << 14
const WORDS_COUNT = 8000

export interface Texts {
  /** `size` bytes of one of the kinds, drawn. */
  any(size: number): Buffer
  /** `size` bytes as a disk holds them: zeros, repeats of earlier extents, text and incompressible data, 64 KiB to 1 MiB each. */
  image(size: number): Buffer
}

/** Words are drawn by rank, common ones far more often, and glued to phrases once, so that making text is fast. */
export function createTexts(random: Seeded): Texts {
  const syllables = (count: number): string => Array.from({ length: count }, () => random.pick(SYLLABLES)).join('')
  const words = Array.from({ length: WORDS_COUNT }, () => syllables(random.between(1, 4)))
  const word = (): string => words[Math.floor(WORDS_COUNT ** random.fraction()) - 1] ?? 'word'
  const phrases = Array.from({ length: PHRASES_COUNT }, () =>
    Array.from({ length: random.between(3, 6) }, word).join(' '),
  )
  const phrase = (): string => phrases[random.between(0, PHRASES_COUNT - 1)] ?? 'phrase'
  const kinds = [prose, jsonLines, html, accessLog]

  const any = (size: number): Buffer => {
    const kind = random.pick(kinds)
    const lines: string[] = []
    for (let have = 0, index = 0; have < size; index++) {
      const line = kind(random, phrase, index)
      lines.push(line)
      have += line.length
    }
    return Buffer.from(lines.join(''), 'latin1').subarray(0, size)
  }

  const image = (size: number): Buffer => {
    const extents: Buffer[] = []
    for (let have = 0; have < size;) {
      const length = Math.min(size - have, random.between(64, 1024) * KIB)
      const extent = imageExtent(random, any, extents, length)
      extents.push(extent)
      have += extent.length
    }
    return Buffer.concat(extents).subarray(0, size)
  }
  return { any, image }
}

function imageExtent(random: Seeded, any: Texts['any'], earlier: readonly Buffer[], length: number): Buffer {
  const draw = random.fraction()
  if (draw < 0.2) return Buffer.alloc(length)
  if (draw < 0.45 && earlier.length > 0) return random.pick(earlier.slice(0, 64)).subarray(0, length)
  return draw < 0.75 ? any(length) : random.bytes(length)
}

type Line = (random: Seeded, phrase: () => string, index: number) => string

const prose: Line = (random, phrase) => `${Array.from({ length: random.between(4, 14) }, phrase).join(' ')}.\n`

const jsonLines: Line = (random, phrase, index) =>
  `{"id":${index},"user":"u${random.between(1, 50_000)}","score":${random.fraction().toFixed(6)},` +
  `"tags":["${phrase().slice(0, 8)}"],"body":"${phrase()}, ${phrase()}; ${phrase()}"}\n`

const html: Line = (random, phrase) =>
  `<section class="card c${random.between(0, 8)}"><h2>${phrase()}</h2>\n<p>${phrase()} ${phrase()} ${phrase()}</p>` +
  `<a href="/p/${random.between(1, 5000)}.html">${phrase()}</a></section>\n`

const accessLog: Line = (random, phrase, index) =>
  `10.${random.between(0, 3)}.${random.between(0, 255)}.${random.between(1, 254)} - - [${1_600_000_000 + index * 3}] ` +
  `"GET /${phrase().replaceAll(' ', '/')} HTTP/1.1" ${random.pick([200, 200, 304, 404])} ${random.between(0, 90_000)}\n`
