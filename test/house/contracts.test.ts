/** Every kind of message that crosses the bus to an actor is listed, so that a change of the wire shows in review. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { kindsSince } from '#actors/runtime/kind-versions.ts'
import { root } from './sources.ts'

/** The keys of `export type …Messages = { … }`, each once, in the order of the file. */
export function messageKinds(source: string): string[] {
  const text = source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*$/gm, '')
  const start = /export type \w+Messages = \{/.exec(text)
  if (start === null) return []
  const kinds: string[] = []
  let depth = 1
  let at = start.index + start[0].length
  while (depth > 0 && at < text.length) {
    const key = depth === 1 ? /^\s*(?:readonly\s+)?['"]?(\w+)['"]?\??:/.exec(text.slice(at)) : null
    if (key !== null) {
      kinds.push(key[1] ?? '')
      at += key[0].length
      continue
    }
    const char = text.charAt(at++)
    if (char === '{' || char === '(' || char === '[') depth++
    else if (char === '}' || char === ')' || char === ']') depth--
  }
  return kinds
}

function declared(): string[] {
  const actors = join(root, 'actors')
  const folders = readdirSync(actors, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return folders.flatMap(({ name }) => {
    const files = readdirSync(join(actors, name))
    if (!files.includes('messages.ts')) return []
    const kinds = messageKinds(readFileSync(join(actors, name, 'messages.ts'), 'utf8'))
    assert.ok(kinds.length > 0, `actors/${name}/messages.ts declares no type …Messages`)
    return kinds.map((kind) => {
      const since = kindsSince[`${name}.${kind}`]
      return since === undefined ? `${name}.${kind}` : `${name}.${kind} since ${since}`
    })
  })
}

test('actors/contracts.txt lists every kind of message, sorted, and nothing else', () => {
  const listed = readFileSync(join(root, 'actors', 'contracts.txt'), 'utf8')
  const wanted = `${declared().toSorted().join('\n')}\n`
  const missing = wanted.split('\n').filter((kind) => !listed.split('\n').includes(kind))
  const stale = listed.split('\n').filter((kind) => !wanted.split('\n').includes(kind))
  const remedy =
    'Where a release was made without the kind, name the version in actors/runtime/kind-versions.ts; then change actors/contracts.txt to match.'
  assert.equal(
    listed,
    wanted,
    `Missing: ${missing.join(', ') || 'none'}. Stale: ${stale.join(', ') || 'none'}. ${remedy}`,
  )
})

test('kinds are read from the type alone, not from what is nested in it', () => {
  const source = `
    export interface A { readonly not: string }
    export type XMessages = {
      // comment: none
      one: { request: { inner: string; list: readonly (readonly string[])[] }; reply: Nothing }
      /** two: none */
      two: { request: Fn<{ a: 1 }>; reply: { b: 2 } }
    }
    export type Other = { three: 3 }`
  assert.deepEqual(messageKinds(source), ['one', 'two'])
})
