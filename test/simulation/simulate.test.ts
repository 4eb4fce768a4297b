/** The simulator as part of the suite: the seeds that have ever failed, five hundred others, and that every fault can be put in. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { editsOf } from './mutation.ts'
import { mutations } from './mutations.ts'
import { sentences } from './sentences.ts'

const root = join(import.meta.dirname, '..', '..')

function simulate(...options: readonly string[]): Promise<{ code: number; output: string }> {
  const args = ['--import', './test/simulation/hooks.ts', 'test/simulation/main.ts', '--brief', ...options]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, output: stdout + stderr }),
    )
  })
}

test('nothing that is promised is broken in five hundred simulated runs', { timeout: 400_000 }, async () => {
  const { code, output } = await simulate('--seeds', '500')
  assert.equal(code, 0, output.slice(-4000))
})

test('a seed is the same run each time', { timeout: 60_000 }, async () => {
  const runs = await Promise.all([simulate('--seed', '12', '--trace'), simulate('--seed', '12', '--trace')])
  const traces = runs.map(({ output }) => output.split('\n').filter((line) => /^ *\d+\.\d /.test(line)))
  assert.ok((traces[0]?.length ?? 0) > 100)
  assert.deepEqual(traces[0], traces[1])
})

test('every sentence that says never, only or before names faults that exist, or why there is none', () => {
  const names = mutations.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  const broken = sentences.flatMap((sentence) => ('faults' in sentence ? sentence.faults : []))
  assert.deepEqual(
    broken.filter((name) => !names.includes(name)),
    [],
  )
  assert.ok(sentences.every((sentence) => 'absent' in sentence || sentence.faults.length > 0))
})

test('every fault of the mutations stands for a place in the program', () => {
  const astray = mutations.flatMap((mutation) =>
    editsOf(mutation)
      .filter(({ file, find }) => readFileSync(join(root, file), 'utf8').split(find).length !== 2)
      .map(({ file }) => `${mutation.name}: ${file}`),
  )
  assert.deepEqual(astray, [])
})
