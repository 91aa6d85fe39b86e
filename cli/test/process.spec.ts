import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { HoldfastError } from '@holdfast/ports'
import { version } from './answers.ts'
import { FakeNode } from './fake-node.ts'

const HOLDFAST = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url))

describe('holdfast as a process', () => {
  let node: FakeNode
  before(async () => {
    node = await FakeNode.start()
  })
  after(() => node.stop())

  it('a closed pipe ends it quietly: no message, no failure', async () => {
    node.serve({
      async *log() {
        for (let seq = 0; seq < 1_000_000; seq++) yield { message_type: 'entry', entry: version(1) }
        yield { message_type: 'summary', count: 1_000_000 }
      },
    })
    const script = `"$0" "$1" log data --home "$2" | head -n 2; echo "codes \${PIPESTATUS[*]}"`
    const shell = spawn('bash', ['-c', script, process.execPath, HOLDFAST, node.home])
    let [out, err] = ['', '']
    shell.stdout.on('data', (part) => (out += String(part)))
    shell.stderr.on('data', (part) => (err += String(part)))
    await once(shell, 'close')
    assert.equal(err, '')
    assert.match(out, /^.*report\.txt\n.*report\.txt\ncodes 0 0\n$/)
  })

  it('SIGINT ends it with 130 and tells the node', async () => {
    let child: ReturnType<typeof spawn> | undefined
    const told = new Promise<void>((resolve) => {
      node.serve({
        async *flush(_request, { signal }) {
          yield { message_type: 'notice', message: 'begun' }
          child?.kill('SIGINT')
          await new Promise<void>((_, reject) => {
            signal.addEventListener('abort', () => {
              resolve()
              reject(new HoldfastError('HF_ABORTED', 'aborted'))
            })
          })
        },
      })
    })
    child = spawn(process.execPath, [HOLDFAST, 'flush', '--home', node.home], { stdio: 'ignore' })
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 130)
    await told
  })
})
