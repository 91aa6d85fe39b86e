import { asVolumeId, hexOf, HoldfastError, VOLUME_ID_BYTES } from '@holdfast/ports'
import type { VolumeId } from '@holdfast/ports'
import c from 'compact-encoding'
import type { Home } from '../home/index.ts'

const DIRECTORIES_VERSION = 1

/** Which directory of this machine each volume is captured from; nobody else's business, so not in the charter. */
export class Directories {
  readonly #home: Pick<Home, 'writeState'>
  #byVolume: ReadonlyMap<string, string>

  constructor(home: Pick<Home, 'readState' | 'writeState'>) {
    this.#home = home
    const kept = home.readState('directories')
    this.#byVolume = kept === undefined ? new Map() : decode(kept)
  }

  get(volume: Uint8Array): string | undefined {
    return this.#byVolume.get(hexOf(volume))
  }

  /** Durable when it returns. @throws as `Home.writeState`; nothing is noted then */
  set(volume: VolumeId, directory: string): void {
    const next = new Map(this.#byVolume).set(hexOf(volume), directory)
    this.#home.writeState('directories', encode(next))
    this.#byVolume = next
  }

  entries(): readonly { readonly volume: VolumeId; readonly directory: string }[] {
    return [...this.#byVolume].map(([id, directory]) => ({ volume: asVolumeId(Buffer.from(id, 'hex')), directory }))
  }
}

function encode(directories: ReadonlyMap<string, string>): Uint8Array {
  const entries = [...directories].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const parts = entries.flatMap(([id, directory]) => [Buffer.from(id, 'hex'), c.encode(c.string, directory)])
  return Buffer.concat([Uint8Array.of(DIRECTORIES_VERSION), c.encode(c.uint, entries.length), ...parts])
}

function decode(bytes: Uint8Array): Map<string, string> {
  try {
    if (bytes[0] !== DIRECTORIES_VERSION) throw new Error('unknown version')
    const state = c.state(1, bytes.byteLength, Buffer.from(bytes))
    const count = c.uint.decode(state)
    const directories = new Map<string, string>()
    for (let index = 0; index < count; index++) {
      const id = hexOf(c.fixed(VOLUME_ID_BYTES).decode(state))
      directories.set(id, c.string.decode(state))
    }
    return directories
  } catch (cause) {
    throw new HoldfastError('HF_DECODE', 'the file of protected directories in this home is damaged', {
      cause,
      next: 'remove the file directories from the home and protect the directories again',
    })
  }
}
