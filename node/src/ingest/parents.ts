import { decodeStat } from '@holdfast/capture'
import type { OpenDirectory, Source } from '@holdfast/capture'
import { equalBytes } from '@holdfast/ports'

/** Where an entry is found: its directory, its name there, and the device that the root is on. */
export interface Whereabouts {
  readonly directory: OpenDirectory
  /** Empty for the root itself. */
  readonly name: Uint8Array
  readonly rootDevice: bigint
}

interface OpenRoot {
  readonly path: Uint8Array
  readonly directory: OpenDirectory
  readonly device: bigint
}

/**
 * The directories that hold the paths of a batch, opened from the root without following a link. The root and the last one
 * stay open, since paths come directory by directory; `close` after each batch, so that a drive can be unmounted, and so that
 * nothing is read for long from a directory that another one has replaced.
 */
export class Parents {
  readonly #source: Source
  #root: OpenRoot | undefined
  #last: { readonly path: Uint8Array; readonly directory: OpenDirectory } | undefined

  constructor(source: Source) {
    this.#source = source
  }

  /** The name of the error if a directory on the way cannot be opened: `ENOTDIR` or `ELOOP` where it is a link. */
  of(rootPath: Uint8Array, path: Uint8Array): Whereabouts | string {
    const root = this.#openRoot(rootPath)
    if (typeof root === 'string') return root
    const slash = path.lastIndexOf(SLASH)
    const name = path.subarray(slash + 1)
    const directory = slash < 0 ? root.directory : this.#openLast(root, path.subarray(0, slash))
    return typeof directory === 'string' ? directory : { directory, name, rootDevice: root.device }
  }

  close(): void {
    if (this.#last !== undefined) this.#source.closeDirectory(this.#last.directory)
    if (this.#root !== undefined) this.#source.closeDirectory(this.#root.directory)
    this.#last = undefined
    this.#root = undefined
  }

  #openRoot(path: Uint8Array): OpenRoot | string {
    if (this.#root !== undefined && equalBytes(this.#root.path, path)) return this.#root
    this.close()
    const directory = this.#source.openRoot(path)
    if (typeof directory === 'string') return directory
    const problem = this.#source.look(directory, EMPTY)
    if (problem !== undefined) {
      this.#source.closeDirectory(directory)
      return problem
    }
    this.#root = { path, directory, device: decodeStat(this.#source.words).dev }
    return this.#root
  }

  #openLast(root: OpenRoot, path: Uint8Array): OpenDirectory | string {
    if (this.#last !== undefined) {
      if (equalBytes(this.#last.path, path)) return this.#last.directory
      this.#source.closeDirectory(this.#last.directory)
      this.#last = undefined
    }
    const directory = this.#source.openDirectory(root.directory, path)
    if (typeof directory !== 'string') this.#last = { path: path.slice(), directory }
    return directory
  }
}

const SLASH = 0x2f
const EMPTY = new Uint8Array(0)
