/**
 * What every decoder of stored, sent or pasted things keeps to, whatever the bytes: it takes them or refuses them with one of
 * our codes, at once, in memory of the order of the input.
 */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { HoldfastError } from '@holdfast/ports'
import * as fc from 'fast-check'
import { allocatedBytes } from './allocations.ts'
import { mutated } from './mutations.ts'

interface DecoderContract {
  /** Throws nothing but a HoldfastError; `undefined` is a refusal, too. */
  readonly decode: (bytes: Uint8Array) => unknown
  /** Encodings that it takes. */
  readonly valid: () => readonly Uint8Array[]
  /** What it may take in memory, whatever its input, bytes. @default 4 KiB */
  readonly fixedBytes?: number
}

/** Random inputs of a kind for each decoder. `HOLDFAST_FUZZ_RUNS` sets another count. */
const RUNS = Number(process.env['HOLDFAST_FUZZ_RUNS'] ?? 200)
/** With `HOLDFAST_FUZZ_KEEP=1`, inputs that lead to an outcome that no kept one leads to are kept. */
const KEEPS = process.env['HOLDFAST_FUZZ_KEEP'] === '1'
const KEPT_MAX = 48
const KEPT_BYTES_MAX = 2_000
/** Bytes a decoder may take for each byte of its input: its copies of it. */
const COPIES_MAX = 8
const FIXED_BYTES = 4 * 1024
/** Far above any decoder, far below what a hang would be, ms. */
const DECODE_MS_MAX = 2_000

/** A suite for each decoder by name; `directory` keeps their inputs, as lines of hex in `NAME.hex`. */
export function decoderContract(directory: string, decoders: Readonly<Record<string, DecoderContract>>): void {
  for (const [name, decoder] of Object.entries(decoders)) describe(name, () => decoderSuite(decoder, directory, name))
}

function decoderSuite(decoder: DecoderContract, directory: string, name: string): void {
  const file = path.join(directory, `${name.replaceAll(/[^a-zA-Z0-9]+/g, '-')}.hex`)
  const kept = linesOf(file)
  let outcomes: Set<string> | undefined

  const keep = (bytes: Uint8Array, outcome: string): void => {
    if (!KEEPS) return
    outcomes ??= new Set(kept.map((line) => outcomeOf(decoder, bytesOf(line))))
    if (outcomes.has(outcome) || kept.length >= KEPT_MAX || bytes.byteLength > KEPT_BYTES_MAX) return
    outcomes.add(outcome)
    kept.push(hexOf(bytes))
    mkdirSync(directory, { recursive: true })
    appendFileSync(file, `${hexOf(bytes)}\n`)
  }
  const judge = (bytes: Uint8Array): void => keep(bytes, outcomeOf(decoder, bytes))

  it('takes what is valid', () => {
    for (const bytes of decoder.valid()) {
      judge(bytes)
      assert.notEqual(decoder.decode(Uint8Array.from(bytes)), undefined)
    }
  })

  it('takes or refuses, within its bounds, what was kept', () => {
    for (const line of kept) outcomeOf(decoder, bytesOf(line))
  })

  it('takes or refuses, within its bounds, any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), judge), { numRuns: RUNS })
  })

  it('takes or refuses, within its bounds, valid bytes with changes', () => {
    fc.assert(fc.property(mutated(decoder.valid()), judge), { numRuns: RUNS })
  })
}

/** Asserts the bounds. What came of it, in words: texts of errors without their numbers. */
function outcomeOf({ decode, fixedBytes = FIXED_BYTES }: DecoderContract, bytes: Uint8Array): string {
  const input = Uint8Array.from(bytes)
  const startMs = performance.now()
  let outcome = 'taken'
  const allocated = allocatedBytes(() => {
    try {
      if (decode(input) === undefined) outcome = 'refused'
    } catch (error) {
      assert.ok(error instanceof HoldfastError, `threw ${String(error)}\n${error instanceof Error ? error.stack : ''}`)
      assert.notEqual(error.code, 'HF_INTERNAL', error.message)
      const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
      outcome = `${error.code} ${error.message}${cause}`.replaceAll(/[0-9a-f]{8,}|[0-9]+/g, 'N').slice(0, 200)
    }
  })
  const tookMs = performance.now() - startMs
  assert.ok(tookMs < DECODE_MS_MAX, `took ${tookMs} ms`)
  const bound = fixedBytes + COPIES_MAX * bytes.byteLength
  assert.ok(allocated <= bound, `took ${allocated} bytes of memory for ${bytes.byteLength} bytes of input`)
  assert.deepEqual(input, Uint8Array.from(bytes), 'changed its input')
  return outcome
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
}

const bytesOf = (line: string): Uint8Array => Uint8Array.from(Buffer.from(line, 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
