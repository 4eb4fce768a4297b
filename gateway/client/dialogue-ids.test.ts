import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '#actors/runtime/clock.ts'
import { ManualClock } from '#test/support/manual-clock.ts'
import { SignedDialogueIds } from './dialogue-ids.ts'

const hourMs = 60 * 60_000

function idsOf(key: string, clock = new ManualClock()): SignedDialogueIds {
  return new SignedDialogueIds({ key, clock, random: systemRandom })
}

test('an id is known by every gateway with the same key, for its operation alone', () => {
  const id = idsOf('one').make('register')
  assert.match(id, /^[A-Za-z0-9_-]{54}$/)
  assert.equal(idsOf('one').isOurs(id, 'register'), true)
  assert.equal(idsOf('one').isOurs(id, 'change the password'), false)
  assert.equal(idsOf('two').isOurs(id, 'register'), false)
})

test('an id is ours for an hour', async () => {
  const clock = new ManualClock()
  const ids = idsOf('one', clock)
  const id = ids.make('register')
  await clock.advance(hourMs)
  assert.equal(ids.isOurs(id, 'register'), true)
  await clock.advance(1000)
  assert.equal(ids.isOurs(id, 'register'), false)
})

test('an id that was changed anywhere, or never was one, is not ours', () => {
  const ids = idsOf('one')
  const bytes = Buffer.from(ids.make('register'), 'base64url')
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    assert.equal(ids.isOurs(changed.toString('base64url'), 'register'), false, `byte ${at}`)
  }
  for (const foreign of ['', 'x', 'a'.repeat(54), bytes.toString('hex')])
    assert.equal(ids.isOurs(foreign, 'register'), false, foreign)
})

test('no two ids are the same', () => {
  const ids = idsOf('one')
  assert.notEqual(ids.make('register'), ids.make('register'))
})
