import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatSyncToken, parseSyncToken, readSyncToken } from './sync-token.ts'

const counter = fc.maxSafeNat()
const tokens = fc.record(
  {
    incarnation: counter,
    positions: fc.array(counter, { minLength: 64, maxLength: 64 }),
    toDevice: counter,
    activation: counter,
  },
  { noNullPrototype: true },
)

describe('sync token', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(tokens, (token) => {
        assert.deepEqual(parseSyncToken(formatSyncToken(token)), token)
      }),
    )
  })

  it('is shorter than 300 characters when all shards stand near a million', () => {
    const positions = Array.from({ length: 64 }, (_, shard) => 1_000_000 + shard * 997)
    const text = formatSyncToken({ incarnation: 3, positions, toDevice: 1_000_000, activation: 2 ** 30 })
    assert.ok(text.length < 300, text)
  })

  it('accepts no other text than the one that is written', () => {
    fc.assert(
      fc.property(tokens, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (token, at, put) => {
        const text = formatSyncToken(token)
        const index = at % (text.length + 1)
        const changed = text.slice(0, index) + put + text.slice(index + 1)
        const read = readSyncToken(changed)
        if (read.kind === 'token') assert.equal(formatSyncToken(read.token), changed)
      }),
    )
  })

  it('never throws on any text', () => {
    fc.assert(fc.property(fc.string(), (text) => void readSyncToken(text)))
    fc.assert(fc.property(fc.base64String(), (text) => void readSyncToken(`s${text}`)))
  })

  it('tells an unknown version from nonsense', () => {
    const later = `s${Buffer.from([2, 1, 1, 1]).toString('base64url')}`
    assert.equal(readSyncToken(later).kind, 'unknown-version')
    for (const text of [
      '',
      's',
      'x',
      's!!',
      `s${Buffer.from([1, 1]).toString('base64url')}`,
      's'.repeat(20_000),
    ]) {
      assert.equal(readSyncToken(text).kind, 'malformed', text.slice(0, 20))
    }
  })

  it('refuses to write what is no counter', () => {
    for (const toDevice of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(
        () => formatSyncToken({ incarnation: 1, positions: [1], toDevice, activation: 0 }),
        RangeError,
      )
    }
  })
})
