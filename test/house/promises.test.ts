/** Each promise of the README is held by what it says: files that are there, and tests of that name in them. */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './sources.ts'

interface Reference {
  /** Such as `G1`. */
  readonly promise: string
  /** Of a file, or of several with `*`. */
  readonly path: string
  /** How the name of a test begins; undefined where the file alone is named. */
  readonly name: string | undefined
}

/** What the second column of the table says: `path`, or `path` "name of a test", whose end may be left out with an ellipsis. */
function referencesIn(readme: string): Reference[] {
  const [, after = ''] = readme.split('\n## What it promises\n')
  const [chapter = ''] = after.split('\n## ')
  return chapter.split('\n').flatMap((line) => {
    const [, promise = '', held = ''] = /^\| \*\*(G\d+)\b.*\|([^|]+)\|$/.exec(line) ?? []
    return [...held.matchAll(/`([^`]+)`(?:\s+"([^"]+)")?/g)].map(([, path = '', name]) => ({
      promise,
      path,
      name: name?.replace(/\s*…$/, ''),
    }))
  })
}

/** The names of the tests of a file; of one that is put together, what is fixed at its beginning. */
function testsIn(text: string): string[] {
  const code = text.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '')
  const called = /(?<![.\w])(?:test|it)\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\$])*))/g
  return [...code.matchAll(called)].map(([, single, double, template]) =>
    (single ?? double ?? template ?? '').replaceAll(/\\(.)/g, '$1'),
  )
}

/** What is wrong with a reference, if anything. */
function flawOf({ promise, path, name }: Reference): string | undefined {
  const files = globSync(path, { cwd: root })
  if (files.length === 0) return `${promise}: there is no ${path}`
  if (name === undefined) return undefined
  const holds = files.some((file) =>
    testsIn(readFileSync(join(root, file), 'utf8')).some((found) => found.startsWith(name)),
  )
  return holds ? undefined : `${promise}: ${path} has no test "${name}"`
}

test('every file and every test that the README names for a promise exists', () => {
  const references = referencesIn(readFileSync(join(root, 'README.md'), 'utf8'))
  const promises = new Set(references.map(({ promise }) => promise))
  for (let number = 1; number <= 9; number++)
    assert.ok(promises.has(`G${number}`), `G${number} names nothing that holds it`)
  assert.deepEqual(
    references.flatMap((reference) => flawOf(reference) ?? []),
    [],
  )
})

test('a file that is not there, and a name that no test has, are found', () => {
  const own = 'test/house/promises.test.ts'
  const readme = `
## What it promises

| promise | held by |
| ------- | ------- |
| **G1 One**: a \`thing\` | \`${own}\` "a file that is not there, and …"; \`test/house/prom*.ts\` "every file and every test"; \`README.md\` |
| **G2 Two** | \`test/nowhere/x.test.ts\` "a file"; \`test/nowhere/*.md\` |
| **G3 Three** | \`${own}\` "a name that no test"; \`test/house/*.test.ts\` "nothing of that name" (all of it) |

## Map

| **G4 Four** | \`nowhere\` |
`
  const references = referencesIn(readme)
  assert.deepEqual(references[0], { promise: 'G1', path: own, name: 'a file that is not there, and' })
  assert.deepEqual(
    references.flatMap((reference) => flawOf(reference) ?? []),
    [
      'G2: there is no test/nowhere/x.test.ts',
      'G2: there is no test/nowhere/*.md',
      `G3: ${own} has no test "a name that no test"`,
      'G3: test/house/*.test.ts has no test "nothing of that name"',
    ],
  )
})

test('the names of tests are read as they are written, and only those', () => {
  assert.deepEqual(
    testsIn(
      [
        "test('one', () => {})",
        '  await it(',
        "    'it\\'s two',",
        '    limit,',
        'it(`three of ${count} things`, () => {})',
        "// test('left out', () => {})",
        " * it('in words')",
        "it.skip('asleep', () => {})",
        "/x/.test('no name')",
        "describe('a group', () => {})",
      ].join('\n'),
    ),
    ['one', "it's two", 'three of '],
  )
})
