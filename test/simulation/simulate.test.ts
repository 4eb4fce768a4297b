/** The simulator as part of the suite: the seeds that have ever failed, five hundred others, and that every fault can be put in. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { mutations } from './mutations.ts'

const root = join(import.meta.dirname, '..', '..')

test('nothing that is promised is broken in five hundred simulated runs', { timeout: 300_000 }, async () => {
  const args = [
    '--import',
    './test/simulation/hooks.ts',
    'test/simulation/main.ts',
    '--brief',
    '--seeds',
    '500',
  ]
  const { code, output } = await new Promise<{ code: number; output: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: root, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, output: stdout + stderr }),
    )
  })
  assert.equal(code, 0, output.slice(-4000))
})

test('every fault of the mutations stands for a place in the program', () => {
  const astray = mutations.filter(
    ({ file, find }) => readFileSync(join(root, file), 'utf8').split(find).length !== 2,
  )
  assert.deepEqual(
    astray.map(({ file, name }) => `${name}: ${file}`),
    [],
  )
})
