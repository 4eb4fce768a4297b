import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseEventId, type EventId } from '../ids/event-id.ts'
import { parseRoomId } from '../ids/room-id.ts'
import { serverOf, type UserId } from '../ids/user-id.ts'
import type { AuthEvent } from './auth-event.ts'
import {
  admin,
  all,
  banned,
  createId,
  event,
  lookupIn,
  mod,
  since,
  stateOf,
  user,
  v,
} from './auth-fixture.ts'
import { mayRedact, redactionEffect, type Standing, type StandingEvent } from './redaction.ts'

const targetId = parseEventId(`$${'t'.repeat(43)}`)

test('a redaction takes effect by level or by common server from version 3 on', () => {
  const rules = v(11)
  const may = (sender: UserId, author: UserId): boolean =>
    mayRedact(
      rules,
      event(rules, { type: 'm.room.redaction', sender }),
      event(rules, { type: 'x', sender: author }),
      lookupIn(stateOf(rules)),
    )
  assert.deepEqual(
    [may(mod, user), may(user, banned), may(user, mod), may(user, user)],
    [true, true, false, true],
  )
  assert.equal(serverOf(user), serverOf(banned))
})

interface Facts {
  readonly version?: number
  readonly sender?: UserId
  readonly redacts?: EventId
  readonly standing?: Standing
  readonly target?: Partial<AuthEvent>
  readonly targetStanding?: Standing
}

/** The effect when both are there and when the target has not come. */
function effects(facts: Facts): readonly [both: string, alone: string] {
  const { version = 11, sender = mod, redacts = targetId, standing = 'accepted' } = facts
  const rules = v(version)
  const redaction = { event: event(rules, { type: 'm.room.redaction', sender, redacts }), standing }
  const target: StandingEvent<AuthEvent> = {
    event: { ...event(rules, { type: 'm.room.message', sender: user, eventId: targetId }), ...facts.target },
    standing: facts.targetStanding ?? 'accepted',
  }
  const state = lookupIn(stateOf(rules))
  return [
    redactionEffect(rules, redaction, target, state),
    redactionEffect(rules, redaction, undefined, state),
  ]
}

test('a redaction waits for its target, and both orders of arrival end the same', () => {
  for (const version of all) assert.deepEqual(effects({ version }), ['applies', 'waits'], String(version))
})

test('a redaction by somebody who may not redact has no effect, unless versions 1 and 2 have let it pass', () => {
  for (const version of since(3))
    assert.deepEqual(effects({ version, sender: user, target: { sender: mod } }), ['never', 'waits'])
  for (const version of [1, 2])
    assert.deepEqual(effects({ version, sender: user, target: { sender: mod } }), ['applies', 'waits'])
})

test('a redaction that is shown to nobody has no effect, whether its target has come or not', () => {
  for (const standing of ['rejected', 'soft-failed'] as const)
    assert.deepEqual(effects({ standing }), ['never', 'never'])
})

test('a redaction of itself, of nothing, of what is rejected, of another room or of the create event has no effect', () => {
  const own = event(v(2), { type: 'm.room.redaction' }).eventId
  assert.deepEqual(effects({ version: 2, redacts: own }), ['never', 'never'])
  const nothing = {
    event: event(v(11), { type: 'm.room.redaction', sender: admin }),
    standing: 'accepted',
  } as const
  assert.equal(redactionEffect(v(11), nothing, undefined, lookupIn(stateOf(v(11)))), 'never')
  assert.equal(effects({ targetStanding: 'rejected' })[0], 'never')
  assert.equal(effects({ target: { roomId: parseRoomId('!other:a.org') } })[0], 'never')
  assert.equal(effects({ target: { eventId: createId } })[0], 'never')
  for (const version of all) assert.equal(effects({ version, target: { type: 'm.room.create' } })[0], 'never')
})

test('a soft-failed event and a redaction are redacted like others', () => {
  assert.equal(effects({ targetStanding: 'soft-failed' })[0], 'applies')
  assert.equal(effects({ target: { type: 'm.room.redaction' } })[0], 'applies')
})
