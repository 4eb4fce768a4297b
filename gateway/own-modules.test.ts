import assert from 'node:assert/strict'
import { registerHooks, type ResolveFnOutput, type ResolveHookContext } from 'node:module'
import { before, test } from 'node:test'
import { resolveOwnModule } from './own-modules.ts'

/** URLs of the modules that were loaded for the program, before any command was run. */
const loaded: string[] = []

before(async () => {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      const resolved = resolveOwnModule(specifier, context, next)
      loaded.push(resolved.url)
      return resolved
    },
  })
  await import('./run.ts')
  hooks.deregister()
})

function resolved(specifier: string, parentURL = import.meta.url): ResolveFnOutput | string {
  const context: ResolveHookContext = { conditions: [], importAttributes: {}, parentURL }
  let passedOn: string | undefined
  const found = resolveOwnModule(specifier, context, (other) => {
    passedOn = other
    return { url: 'node:' }
  })
  return passedOn ?? found
}

test('a module of the program is where Node would find it', () => {
  for (const specifier of [
    '#protocol/errors.ts',
    '#storage/sync/rooms.ts',
    './run.ts',
    '../actors/bus/bus.ts',
  ]) {
    const url = import.meta.resolve(specifier)
    assert.deepEqual(resolved(specifier), { url, format: 'module-typescript', shortCircuit: true })
  }
  const elsewhere = import.meta.resolve('#storage/sync/rooms.ts')
  const { url } = resolved('./rows.ts', elsewhere) as ResolveFnOutput
  assert.equal(url, import.meta.resolve('#storage/sync/rows.ts'))
})

test('packages, modules of Node and files of packages are left to Node', () => {
  for (const specifier of ['zod', 'node:fs', './schemas.js', '@nats-io/transport-node'])
    assert.equal(resolved(specifier), specifier)
})

test('of the languages of zod only English is loaded', async () => {
  const languages = loaded.filter((url) => url.includes('/zod/') && url.includes('/locales/'))
  assert.ok(languages.length > 0)
  for (const url of languages) assert.match(url, /\/en\.js$/)
  const { z } = await import('zod')
  assert.match(z.string().safeParse(1).error?.message ?? '', /expected string/)
})

test('what only some processes need is not loaded before it is needed', () => {
  assert.ok(loaded.some((url) => url.endsWith('/gateway/compose.ts')))
  for (const part of ['/prom-client/', '/@opentelemetry/', '/@nats-io/'])
    assert.ok(!loaded.some((url) => url.includes(part)), part)
})
