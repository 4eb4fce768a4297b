/** Files and functions that can be read in one go. The exceptions are a list that only shrinks. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, sources } from './sources.ts'

const fileLinesMax = 600
const functionLinesMax = 70

/** Longer than the rule wishes, with the number of lines that they may have at most. */
const longFunctions: Readonly<Record<string, number>> = {}

interface FunctionSize {
  readonly name: string
  readonly line: number
  readonly length: number
}

const start =
  /^(\s*)(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:function\s*\*?\s*(\w+)|(?:(?:static|override|private|get|set)\s+)*(?:async\s+)?\*?(#?\w+)\s*(?:<[^>]*>)?\(.*\{\s*$)/

/** Functions and methods by their first line; the end is the closing brace at the same indentation. */
function functionsOf(code: string): FunctionSize[] {
  const lines = code.split('\n')
  const found: FunctionSize[] = []
  lines.forEach((line, index) => {
    const match = start.exec(line)
    const name = match?.[2] ?? match?.[3]
    if (match === null || name === undefined || /^(if|for|while|switch|catch|return|with)$/.test(name)) return
    const indent = match[1] ?? ''
    const end = lines.findIndex((l, i) => i > index && (l === `${indent}}` || l.startsWith(`${indent}})`)))
    if (end > 0) found.push({ name, line: index + 1, length: end - index + 1 })
  })
  return found
}

test(`no file has more than ${fileLinesMax} lines`, () => {
  const long = sources()
    .filter((source) => source.lines.length > fileLinesMax)
    .map((source) => `${source.path}: ${source.lines.length}`)
  assert.deepEqual(long, [])
})

test(`no function has more than ${functionLinesMax} lines`, () => {
  const long = sources()
    .filter((source) => !source.isTest)
    .flatMap((source) =>
      functionsOf(codeOf(source))
        .filter((f) => f.length > (longFunctions[`${source.path}:${f.name}`] ?? functionLinesMax))
        .map((f) => `${source.path}:${f.line} ${f.name}: ${f.length} lines`),
    )
  assert.deepEqual(long, [])
})

test('the measure finds functions and their lengths', () => {
  assert.deepEqual(
    functionsOf(
      'export function a(): void {\n  x\n}\nclass B {\n  async #c(d: string) {\n    if (d) {\n    }\n  }\n}\n',
    ),
    [
      { name: 'a', line: 1, length: 3 },
      { name: '#c', line: 5, length: 4 },
    ],
  )
})

test('module names say what a module is', () => {
  const vague = sources()
    .map((source) => source.path)
    .filter(
      (path) => /\/(utils?|helpers?|common|misc|index)\.ts$/.test(path) || !/^[a-z0-9./_-]+$/.test(path),
    )
  assert.deepEqual(vague, [])
})

test('nothing is left to do in comments', () => {
  const left = sources()
    .filter((source) => !source.path.startsWith('test/house/'))
    .flatMap((source) =>
      source.lines.flatMap((line, i) =>
        /\b(FIXME|XXX|HACK)\b|\bTODO\b(?!\()/.test(line) ? [`${source.path}:${i + 1}`] : [],
      ),
    )
  assert.deepEqual(left, [])
})
