/** No two modules need each other: construction goes top to bottom. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sources } from './sources.ts'

function findCycles(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const path: string[] = []
  const cycles: string[] = []
  function visit(node: string): void {
    const at = path.indexOf(node)
    if (at >= 0) {
      cycles.push([...path.slice(at), node].join(' → '))
      return
    }
    if (done.has(node)) return
    path.push(node)
    for (const next of edges.get(node) ?? []) visit(next)
    path.pop()
    done.add(node)
  }
  for (const node of edges.keys()) visit(node)
  return cycles
}

test('no cycle of imports at run time', () => {
  const edges = new Map(
    sources().map((source) => [
      source.path,
      source.imports.filter((i) => i.file !== undefined && !i.typeOnly).map((i) => i.file ?? ''),
    ]),
  )
  assert.deepEqual(findCycles(edges), [])
})

test('a cycle would be found', () => {
  assert.deepEqual(
    findCycles(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['a']],
      ]),
    ),
    ['a → b → c → a'],
  )
})
