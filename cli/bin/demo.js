#!/usr/bin/env node
// npm start: builds what is not built yet, then runs the demo.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const program = new URL('../dist/src/demo/main.js', import.meta.url)
if (!existsSync(program)) {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const built = spawnSync('npm', ['run', 'build'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (built.status !== 0) process.exit(1)
}
const { main } = await import(program.href)
await main()
