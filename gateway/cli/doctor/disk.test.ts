import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spaceFinding } from './disk.ts'

const gibibyte = 1024 ** 3

test('a disk with five gibibytes is well, one with less a warning, one with half of one a problem', () => {
  const verdicts = (...frees: readonly number[]): string[] =>
    frees.map((free) => spaceFinding('/srv/data', free).verdict)
  assert.deepEqual(verdicts(900 * gibibyte, 5 * gibibyte), ['ok', 'ok'])
  assert.deepEqual(verdicts(5 * gibibyte - 1, 0.5 * gibibyte), ['warning', 'warning'])
  assert.deepEqual(verdicts(0.5 * gibibyte - 1, 0), ['problem', 'problem'])
})

test('what is free is told with its place, and where it is little, what to do', () => {
  assert.deepEqual(spaceFinding('/srv/data', 20 * gibibyte), {
    area: 'data directory',
    verdict: 'ok',
    what: '/srv/data is writable, 20.0 GiB are free',
  })
  for (const free of [gibibyte, 0]) {
    const { remedy = '' } = spaceFinding('/srv/data', free)
    assert.match(remedy, /^Make room, or move the folder to a larger disk/)
  }
})
