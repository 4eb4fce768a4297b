import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom as random } from '#actors/runtime/clock.ts'
import { ManualClock } from '#test/support/manual-clock.ts'
import { Nonces } from './synapse-nonce.ts'

test('a nonce is good once, for a minute, and for its secret', async () => {
  const clock = new ManualClock()
  const nonces = new Nonces()
  const nonce = nonces.make('secret', { clock, random })
  assert.equal(nonces.take('other', nonce, clock), false)
  assert.equal(nonces.take('secret', `${nonce}0`, clock), false)
  assert.equal(nonces.take('secret', nonce, clock), true)
  assert.equal(nonces.take('secret', nonce, clock), false)
  const late = nonces.make('secret', { clock, random })
  await clock.advance(60_001)
  assert.equal(nonces.take('secret', late, clock), false)
  assert.equal(nonces.take('secret', '', clock), false)
})
