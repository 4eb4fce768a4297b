/** What counts as growing for good. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bloatOf, growthOf, type Sample, type TableSize } from './growth.ts'

const mebibyte = 2 ** 20
const everyMs = 10_000

/** Looks at a process for so many minutes; `memory` in MiB and `files` are functions of the part of the time that has passed. */
function course(
  minutes: number,
  memory: (part: number) => number,
  files: (part: number) => number = () => 40,
): Sample[] {
  const looks = (minutes * 60_000) / everyMs
  return Array.from({ length: looks + 1 }, (_, n) => ({
    atMs: n * everyMs,
    memory: memory(n / looks) * mebibyte,
    files: files(n / looks),
  }))
}

/** Up and down, as garbage comes and goes. */
function noise(part: number): number {
  return 30 * Math.sin(part * 400)
}

function oneTable(rows: number, megabytes: number): ReadonlyMap<string, TableSize> {
  return new Map([['event', { rows, bytes: megabytes * mebibyte, dead: 0 }]])
}

test('memory that rises all the time is told, and what fills once and then goes up and down is not', () => {
  const filled = (part: number): number => 100 + 200 * Math.min(1, 5 * part) + noise(part)
  assert.deepEqual(growthOf('a host', course(40, filled)), [])
  const risen = growthOf(
    'a host',
    course(40, (part) => 150 + 200 * part + noise(part)),
  )
  assert.match(risen.join(), /^C10 a host came to hold 3\d\d\.\d MB from 2\d\d\.\d MB$/)
})

test('files that are not closed are told', () => {
  const found = growthOf(
    'a host',
    course(
      40,
      () => 100,
      (part) => Math.floor(40 + 60 * part),
    ),
  )
  assert.match(found.join(), /^C10 a host came to hold \d+ files from \d+ files$/)
})

test('a process that was looked at for a few minutes is not judged', () => {
  assert.deepEqual(
    growthOf(
      'a host',
      course(5, (part) => 100 + 900 * part),
    ),
    [],
  )
})

test('a table may grow with its rows and not without them', () => {
  assert.deepEqual(bloatOf(oneTable(1000, 10), oneTable(3000, 32)), [])
  assert.deepEqual(bloatOf(oneTable(64, 0.1), oneTable(64, 0.9)), [], 'what is small is not looked at')
  assert.deepEqual(bloatOf(oneTable(1000, 10), oneTable(1100, 22)), [
    'C10 the table event holds 22.0 MB for 1100 rows, 10.0 MB for 1000 before',
  ])
})
