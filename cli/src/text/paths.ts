import { bytesOfField, pathText, type PathField } from '@holdfast/node/api'
import { HoldfastError } from '@holdfast/ports'

/** A path of the API as one line of text that `VOLUME:PATH` takes again. */
export const pathOfField = (field: PathField): string => pathText(bytesOfField(field))

export interface VolumePath {
  readonly volume: string
  /** As typed; empty for the root. */
  readonly path: string
}

/** `VOLUME` or `VOLUME:PATH`. @throws HF_BAD_INPUT */
export function parseVolumePath(text: string): VolumePath {
  const colon = text.indexOf(':')
  const volume = colon < 0 ? text : text.slice(0, colon)
  if (volume !== '') return { volume, path: colon < 0 ? '' : text.slice(colon + 1) }
  throw new HoldfastError('HF_BAD_INPUT', `"${text}" names no volume`, { next: 'write it as VOLUME or VOLUME:PATH' })
}
