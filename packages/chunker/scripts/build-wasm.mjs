// Compiles wasm/cutter.as.ts to dist/chunker.wasm; does nothing when that is newer than its source and this script.
import { mkdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const base = fileURLToPath(new URL('..', import.meta.url))
const source = 'wasm/cutter.as.ts'
const output = 'dist/chunker.wasm'

const changedAt = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

if (changedAt(base + output) < Math.max(changedAt(base + source), changedAt(fileURLToPath(import.meta.url)))) {
  mkdirSync(base + 'dist', { recursive: true })
  // The compiler takes a second to load, so only when it is needed.
  const { default: asc } = await import('assemblyscript/asc')
  const options = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--importMemory', '--noExportMemory']
  const streams = { stdout: process.stdout, stderr: process.stderr }
  const { error } = await asc.main([source, '--outFile', output, '--baseDir', base, ...options], streams)
  if (error) throw error
}
