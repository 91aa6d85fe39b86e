/** Trees to protect, made from a seed: the same (profile, seed, scale) gives the same paths, bytes, modes and times on every machine.
 *  Bounded: at scale 1 a tree has about 1 GiB or 100,000 files, and no file is above 256 MiB. */
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { seeded, type Seeded } from './seeded.ts'
import { createTexts, type Texts } from './texts.ts'

const KIB = 1024
const MIB = 1024 * KIB
const EPOCH_SECONDS = 1_600_000_000

/** `mixed`: media, documents, shifted and edited copies of them, one disk image. `small`: files of 0.2 to 20 KiB in nested directories
 *  with awkward names, links, modes and times. `image`: one file of random data. */
export type Profile = 'mixed' | 'small' | 'image'

export interface WorkloadOptions {
  readonly profile: Profile
  readonly seed: string
  /** 1 is about 1 GiB (`mixed`), 100,000 files (`small`), 64 MiB (`image`). */
  readonly scale: number
}

/** Makes the tree in `root`, which must be absent or empty. */
export function makeTree(root: string, options: WorkloadOptions): void {
  const random = seeded(`${options.profile} ${options.seed}`)
  mkdirSync(root, { recursive: true })
  if (readdirSync(root).length > 0) throw new TypeError(`${root} is not empty`)
  const maker = new TreeMaker(root, random)
  if (options.profile === 'mixed') mixed(maker, random, createTexts(random), options.scale)
  else if (options.profile === 'small') small(maker, random, createTexts(random), options.scale)
  else maker.file('disk.img', random.bytes(Math.round(64 * MIB * options.scale)))
  maker.finish()
}

const depth = (path: string): number => path.split('/').length

/** Writes entries and remembers directories, whose times can be set only when all is in place. */
class TreeMaker {
  readonly #root: string
  readonly #random: Seeded
  readonly #directories = new Set<string>()

  constructor(root: string, random: Seeded) {
    this.#root = root
    this.#random = random
  }

  directory(path: string): void {
    if (this.#directories.has(path)) return
    mkdirSync(`${this.#root}/${path}`, { recursive: true })
    for (let at = path; at !== '' && at !== '.'; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      this.#directories.add(at)
    }
  }

  file(path: string, content: Uint8Array, mode = 0o644, mtimeSeconds = this.#time()): void {
    this.directory(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
    const absolute = `${this.#root}/${path}`
    writeFileSync(absolute, content)
    chmodSync(absolute, mode)
    utimesSync(absolute, mtimeSeconds, mtimeSeconds)
  }

  symlink(path: string, target: string): void {
    symlinkSync(target, `${this.#root}/${path}`)
    lutimesSync(`${this.#root}/${path}`, this.#time(), this.#time())
  }

  hardLink(existing: string, path: string): void {
    linkSync(`${this.#root}/${existing}`, `${this.#root}/${path}`)
  }

  chmod(path: string, mode: number): void {
    chmodSync(`${this.#root}/${path}`, mode)
  }

  finish(): void {
    const deepestFirst = [...this.#directories].toSorted((a, b) => depth(b) - depth(a))
    for (const [index, path] of [...deepestFirst, '.'].entries()) {
      const seconds = EPOCH_SECONDS + (index % 86_400)
      utimesSync(`${this.#root}/${path}`, seconds, seconds)
    }
  }

  #time(): number {
    return EPOCH_SECONDS + this.#random.between(0, 100_000_000)
  }
}

interface Made {
  readonly path: string
  readonly content: Buffer
}

/** A quarter disk image; of the rest 40 % incompressible, 35 % text, 25 % copies of those: exact, shifted, edited, glued together. */
function mixed(maker: TreeMaker, random: Seeded, texts: Texts, scale: number): void {
  const total = Math.round(1024 * MIB * scale)
  const imageBytes = Math.round(total / 4)
  maker.file('vm/disk.img', texts.image(imageBytes))
  const largest = Math.max(64 * KIB, Math.round(24 * MIB * Math.min(1, 2 * scale)))
  const originals: Made[] = []
  const folders = [
    { top: 'media', extension: 'bin', bytes: (total - imageBytes) * 0.4, make: (size: number) => random.bytes(size) },
    { top: 'docs', extension: 'txt', bytes: (total - imageBytes) * 0.35, make: (size: number) => texts.any(size) },
  ]
  for (const { top, extension, bytes, make } of folders) {
    for (let have = 0, index = 0; have < bytes; index++) {
      const content = make(Math.min(random.spread(KIB, largest), Math.max(KIB, Math.round(bytes - have))))
      const path = `${top}/y${random.between(0, 5)}/${index % 17}/${index}.${extension}`
      maker.file(path, content)
      originals.push({ path, content })
      have += content.length
    }
  }
  const wanted = (total - imageBytes) * 0.25
  for (let have = 0, index = 0; have < wanted; index++) {
    const copy = varied(random, texts, originals).subarray(0, Math.max(KIB, Math.round(wanted - have)))
    maker.file(`copies/v${random.between(0, 7)}/${index}.copy`, copy)
    have += copy.length
  }
}

function varied(random: Seeded, texts: Texts, originals: readonly Made[]): Buffer {
  const { content } = random.pick(originals)
  const draw = random.fraction()
  if (draw < 0.4) return content
  if (draw < 0.7) return Buffer.concat([random.bytes(random.between(1, 4000)), content])
  if (draw < 0.9) {
    const at = random.between(0, content.length - 1)
    return Buffer.concat([content.subarray(0, at), texts.any(700), content.subarray(at + random.between(0, 2000))])
  }
  return Buffer.concat([content, random.pick(originals).content])
}

const AWKWARD_NAMES =
  'naïve café|日本語|with space|emoji-🗂|tab\tname|quote\'"s|-dash|per%cent|new\nline|back\\slash|#q?x'.split('|')
const ODD_SECONDS = [0, 1, -86_400 * 365, 4_102_444_800, EPOCH_SECONDS + 0.123456]

function small(maker: TreeMaker, random: Seeded, texts: Texts, scale: number): void {
  const count = Math.round(100_000 * scale)
  const directories = nest(maker, random, Math.max(4, Math.round(count / 60)))
  const blob = Buffer.concat([texts.any(4 * MIB), random.bytes(4 * MIB)])
  const files: string[] = []
  for (let index = 0; index < count; index++) {
    const name = random.fraction() < 0.03 ? `${random.pick(AWKWARD_NAMES)}.${index}` : `f${index}.txt`
    const path = `${random.pick(directories)}/${name}`
    const draw = random.fraction()
    if (draw < 0.015 && files.length > 0) maker.hardLink(random.pick(files), path)
    else if (draw < 0.03) maker.symlink(path, random.pick(['f1.txt', '../up', '/nonexistent/absolute', 'to itself']))
    else {
      const offset = random.between(0, blob.length - 20 * KIB)
      const body = blob.subarray(offset, offset + random.spread(200, 20 * KIB))
      const content = draw < 0.04 ? Buffer.alloc(0) : Buffer.concat([Buffer.from(`${index} `), body])
      const seconds = draw > 0.995 ? random.pick(ODD_SECONDS) : undefined
      maker.file(path, content, draw > 0.9 ? 0o755 : random.pick([0o644, 0o644, 0o600, 0o444]), seconds)
      files.push(path)
    }
  }
  for (let index = 0; index < Math.max(2, count / 1000); index++) {
    maker.directory(`${random.pick(directories)}/empty${index}`)
  }
  for (const [index, path] of directories.entries()) if (index % 50 === 0) maker.chmod(path, 0o750)
}

function nest(maker: TreeMaker, random: Seeded, count: number): string[] {
  const directories: string[] = []
  for (let index = 0; index < count; index++) {
    const parent = directories.length > 0 && random.fraction() < 0.7 ? random.pick(directories) : undefined
    const name = random.fraction() < 0.06 ? `${random.pick(AWKWARD_NAMES)} ${index}` : `d${index}`
    const path = parent === undefined || parent.split('/').length > 10 ? name : `${parent}/${name}`
    maker.directory(path)
    directories.push(path)
  }
  return directories
}
