/** protocol/ is synchronous and pure; the layers above reach the outside only where their one file for it is. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, sources, type Source } from './sources.ts'

interface Ban {
  readonly pattern: RegExp
  readonly instead: string
  /** Paths where it is the file's purpose. */
  readonly allowed: readonly RegExp[]
}

const inProtocol: readonly Ban[] = [
  {
    pattern: /\basync\b|\bawait\b|\bPromise\b/g,
    instead: 'the caller fetches first and passes a lookup',
    allowed: [],
  },
  { pattern: /\bDate\.now\b|\bnew Date\b|\bperformance\b/g, instead: 'time is an argument', allowed: [] },
  {
    pattern: /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b/g,
    instead: 'randomness is an argument',
    allowed: [],
  },
  {
    pattern: /\bprocess\b|\bconsole\b|\bsetTimeout\b|\bfetch\(/g,
    instead: 'protocol/ touches nothing outside',
    allowed: [],
  },
]

const clock = /^actors\/runtime\/clock\.ts$/

const everywhere: readonly Ban[] = [
  {
    pattern: /\bprocess\.env\b/g,
    instead: 'gateway/config reads the environment once',
    allowed: [/^gateway\/config\/load\.ts$/],
  },
  {
    pattern: /\bprocess\.exit\(/g,
    instead: 'process.exitCode, and let the event loop run empty',
    // The forced end of a process that does not end in time.
    allowed: [/^gateway\/cli\/start\.ts$/],
  },
  {
    pattern: /\bconsole\./g,
    instead: 'a diagnostics channel, or the command line writer',
    allowed: [/^gateway\/cli\//],
  },
  { pattern: /\bMath\.random\b/g, instead: 'Random of actors/runtime/clock.ts', allowed: [clock] },
  {
    pattern: /\bJSON\.parse\b/g,
    instead: 'parseJson of protocol/json/parse.ts: V8 mistakes keys that are written with escapes',
    // Where it is made up for, texts without keys, and texts that this program or its operator wrote.
    allowed: [
      /^protocol\/json\/(parse|raw-numbers|slices)\.ts$/,
      /^gateway\/(version|ops\/readable-log|cli\/doctor\/nats)\.ts$/,
      /^storage\/embedded\/binaries\.ts$/,
    ],
  },
  { pattern: /\bas any\b|:\s*any\b|<any>/g, instead: 'unknown, and a reader for it', allowed: [] },
  { pattern: /@ts-ignore|@ts-expect-error/g, instead: 'a type that is true', allowed: [] },
]

const inActors: readonly Ban[] = [
  {
    pattern: /\bDate\.now\b|\bperformance\.now\b|\bnew Date\(\)/g,
    instead: 'the Clock that is passed in',
    allowed: [clock],
  },
  { pattern: /\bsetTimeout\b|\bsetInterval\b/g, instead: 'clock.after', allowed: [clock] },
]

function violations(list: readonly Source[], bans: readonly Ban[]): string[] {
  return list.flatMap((source) => {
    const code = codeOf(source)
    return bans
      .filter((ban) => !ban.allowed.some((pattern) => pattern.test(source.path)))
      .flatMap((ban) =>
        [...code.matchAll(ban.pattern)].map((match) => {
          const line = code.slice(0, match.index).split('\n').length
          return `${source.path}:${line} ${match[0].trim()}: ${ban.instead}`
        }),
      )
  })
}

const product = sources().filter((source) => !source.isTest && !source.path.endsWith('-contract.ts'))

test('protocol/ has no promise, clock, randomness or process', () => {
  assert.deepEqual(
    violations(
      product.filter((s) => s.folder === 'protocol'),
      inProtocol,
    ),
    [],
  )
})

test('the environment, the console and process.exit are touched where it is their place', () => {
  assert.deepEqual(violations(product, everywhere), [])
})

test('actors take time from the clock that they are given', () => {
  assert.deepEqual(
    violations(
      product.filter((s) => s.folder === 'actors'),
      inActors,
    ),
    [],
  )
})

test('SQL stands in storage/ only', () => {
  const wrong = product
    .filter(
      (source) => source.folder === 'actors' || source.folder === 'gateway' || source.folder === 'protocol',
    )
    .filter((source) => /\bsql`|\.sql<|\.unsafe\(/.test(source.text))
    .map((source) => source.path)
  assert.deepEqual(wrong, [])
})

test('NATS is known to its adapter only', () => {
  const wrong = product
    .filter((source) => source.imports.some((i) => i.specifier.startsWith('@nats-io/')))
    .map((source) => source.path)
    .filter((path) => path !== 'actors/bus/nats.ts')
  assert.deepEqual(wrong, [])
})
