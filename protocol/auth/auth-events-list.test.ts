import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseRoomId } from '../ids/room-id.ts'
import { checkAuthEventsList, type ListedEvent } from './auth-events-list.ts'
import { admin, mod, v, event, stateOf, ruleOf } from './auth-fixture.ts'

test('the list of auth events is judged by itself', () => {
  for (const version of [10, 11, 12]) {
    const rules = v(version)
    const message = event(rules, { type: 'm.room.message' })
    const state = stateOf(rules)
    const listed = (type: string, stateKey: string, more: Partial<ListedEvent> = {}): ListedEvent => {
      const found = state.get(`${type} ${stateKey}`)
      if (found === undefined) throw new Error(`no ${type}`)
      return { ...found, rejected: false, ...more }
    }
    const own = listed('m.room.member', admin)
    const power = listed('m.room.power_levels', '')
    const create = listed('m.room.create', '')
    const base = version < 12 ? [create, power, own] : [power, own]
    const verdict = (list: readonly ListedEvent[]): string =>
      ruleOf(checkAuthEventsList(rules, message, list))
    assert.equal(verdict(base), 'ok')
    assert.equal(verdict([...base, own]), 'auth_events.duplicate')
    assert.equal(verdict([...base, listed('m.room.join_rules', '')]), 'auth_events.unexpected')
    assert.equal(verdict([...base, listed('m.room.member', mod)]), 'auth_events.unexpected')
    assert.equal(verdict([...base.slice(0, -1), { ...own, stateKey: undefined }]), 'auth_events.unexpected')
    assert.equal(verdict([...base.slice(0, -1), { ...own, rejected: true }]), 'auth_events.rejected')
    assert.equal(
      verdict([...base.slice(0, -1), { ...own, roomId: parseRoomId('!other:a.org') }]),
      'auth_events.other_room',
    )
    assert.equal(verdict([power, own]), version < 12 ? 'auth_events.no_create' : 'ok')
    assert.equal(verdict([create, power, own]), version < 12 ? 'ok' : 'auth_events.unexpected')
  }
})
