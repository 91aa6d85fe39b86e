/** Changes to a tree, drawn from a seed: what a day on a server does to its files. */
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { seeded, type Seeded } from './seeded.ts'

const KIB = 1024

/** `edit`: 1 to 64 bytes overwritten in every hundredth file. `insert`: 1 to 9 kB in the middle of the largest. `append`: to the largest
 *  and to some others. `rename`: the directory that holds the most files. `delete`: every twentieth file. */
export type Mutation = 'edit' | 'insert' | 'append' | 'rename' | 'delete'

interface FoundFile {
  readonly path: string
  readonly bytes: number
}

/** Applies one mutation; gives the number of files it touched. */
export function mutate(root: string, kind: Mutation, seed: string): number {
  const random = seeded(`${kind} ${seed}`)
  const files = regularFiles(root)
  const largest = files.toSorted((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1))[0]
  if (largest === undefined) throw new TypeError(`${root} holds no file to change`)
  switch (kind) {
    case 'edit':
      return edit(files, random)
    case 'insert':
      insertBytes(largest.path, Math.floor(largest.bytes / 2), random.bytes(random.between(1000, 9000)))
      return 1
    case 'append':
      return append(files, largest, random)
    case 'rename':
      return renameLargest(root)
    case 'delete':
      return remove(files, random)
  }
}

/** Puts bytes into a file at an offset; all later bytes move up. The file is rewritten in place. */
export function insertBytes(path: string, offset: number, bytes: Uint8Array): void {
  const content = readFileSync(path)
  chmodSync(path, lstatSync(path).mode | 0o200)
  writeFileSync(path, Buffer.concat([content.subarray(0, offset), bytes, content.subarray(offset)]))
}

function edit(files: readonly FoundFile[], random: Seeded): number {
  const chosen = new Set(Array.from({ length: Math.max(1, Math.floor(files.length / 100)) }, () => random.pick(files)))
  for (const { path, bytes } of chosen) {
    const content = readFileSync(path)
    const length = random.between(1, Math.min(64, Math.max(1, bytes)))
    random.bytes(length).copy(content, random.between(0, Math.max(0, bytes - length)))
    writeFileSync(path, content.length === 0 ? random.bytes(length) : content)
  }
  return chosen.size
}

function append(files: readonly FoundFile[], largest: FoundFile, random: Seeded): number {
  appendFileSync(largest.path, random.bytes(64 * KIB))
  const others = Array.from({ length: Math.floor(files.length / 200) }, () => random.pick(files))
  for (const { path } of others) appendFileSync(path, random.bytes(random.between(KIB, 4 * KIB)))
  return others.length + 1
}

function renameLargest(root: string): number {
  const top = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => ({ path: `${root}/${entry.name}`, count: regularFiles(`${root}/${entry.name}`).length }))
    .toSorted((a, b) => b.count - a.count)[0]
  if (top === undefined) return 0
  renameSync(top.path, `${top.path}-renamed`)
  return top.count
}

function remove(files: readonly FoundFile[], random: Seeded): number {
  const victims = new Set(Array.from({ length: Math.max(1, Math.floor(files.length / 20)) }, () => random.pick(files)))
  for (const { path } of victims) unlinkSync(path)
  return victims.size
}

/** Regular files whose names are UTF-8, in order of path. */
function regularFiles(root: string): FoundFile[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .toSorted()
    .map((path) => ({ path, bytes: statSync(path).size }))
}
