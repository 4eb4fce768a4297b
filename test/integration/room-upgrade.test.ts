/** What a user has set for a room follows him into the one that replaces it: once, and also when a host goes in between. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { StoredRules } from '#protocol/push/stored-rules.ts'
import { readAccountData } from '#storage/users/account-data.ts'
import { type Response, type SyncingPerson, SyncWorld } from '../support/sync-world.ts'

const limit = { timeout: 60_000 }

let world: SyncWorld

before(async () => {
  world = await SyncWorld.open(2)
})
after(() => world[Symbol.asyncDispose]())

function roomRules(response: Response): string[] | undefined {
  const rules = response.account_data?.events.find((event: Response) => event.type === 'm.push_rules')
  return rules?.content.global.room.map((rule: Response) => rule.rule_id)
}

/** Syncs on until the push rules have a rule for the room. Bounded by the test's limit. */
async function untilRule(person: SyncingPerson, roomId: RoomId, since?: string): Promise<string> {
  const response = await person.sync({ timeoutMs: 2000, ...(since === undefined ? {} : { since }) })
  return roomRules(response)?.includes(roomId) === true
    ? response.next_batch
    : untilRule(person, roomId, response.next_batch)
}

async function mute(person: SyncingPerson, roomId: RoomId): Promise<void> {
  const rule = { op: 'put', ruleKind: 'room', ruleId: roomId, rule: { actions: [] } } as const
  await world.ask.ask('user', person.userId, 'editPushRules', rule)
}

async function stored(person: SyncingPerson, roomId: string, type: string): Promise<Response> {
  const text = await readAccountData(world.database.reads, person.userId, { roomId, type })
  return text === undefined ? undefined : JSON.parse(text)
}

async function storedRoomRules(person: SyncingPerson): Promise<string[]> {
  const rules: StoredRules | undefined = await stored(person, '', 'm.push_rules')
  return (rules?.rules?.room ?? []).map((rule) => rule.rule_id)
}

test(
  'push rules, tags and direct chats come over to whoever makes the new room and to whoever joins it',
  limit,
  async () => {
    const [ann, ben] = await Promise.all([world.person('ann'), world.person('ben')])
    const old = await world.room(ann, { version: '10' })
    await ben.member(old, 'join')
    for (const person of [ann, ben]) {
      await mute(person, old)
      const { userId } = person
      await world.ask.ask('user', userId, 'putTag', {
        roomId: old,
        tag: 'm.favourite',
        content: { order: 0.5 },
      })
      const content = { '@cid:test.local': [old], '@dan:test.local': ['!else:test.local'] }
      await world.ask.ask('user', userId, 'putAccountData', { type: 'm.direct', content })
    }
    const [annSince, benSince] = await Promise.all([untilRule(ann, old), untilRule(ben, old)])
    const room = await world.room(ann, { version: '11', predecessor: old })
    await ben.member(room, 'join')
    await Promise.all([untilRule(ann, room, annSince), untilRule(ben, room, benSince)])
    for (const person of [ann, ben]) {
      assert.deepEqual(await storedRoomRules(person), [old, room])
      assert.deepEqual(await stored(person, room, 'm.tag'), { tags: { 'm.favourite': { order: 0.5 } } })
      assert.deepEqual(await stored(person, '', 'm.direct'), {
        '@cid:test.local': [old, room],
        '@dan:test.local': ['!else:test.local'],
      })
    }
  },
)

test('a sync that waits is woken by what comes over', limit, async () => {
  const [ann, ben] = await Promise.all([world.person('ann2'), world.person('ben2')])
  const old = await world.room(ann)
  await mute(ben, old)
  const since = await untilRule(ben, old)
  const room = await world.room(ann, { predecessor: old })
  const told = untilRule(ben, room, since)
  await ben.member(room, 'join')
  await told
})

test(
  'what was joined before a host went is carried by the next one, also through two upgrades, and never again',
  limit,
  async () => {
    const [ann, ben] = await Promise.all([world.person('ann3'), world.person('ben3')])
    const first = await world.room(ann)
    await mute(ben, first)
    const second = await world.room(ann, { predecessor: first })
    const third = await world.room(ann, { predecessor: second })
    for (const room of [third, second]) await ben.member(room, 'join')
    assert.deepEqual(await storedRoomRules(ben), [first])
    await world.addHost()
    await world.hosts[0]?.host.drain()
    await untilRule(ben, third)
    assert.deepEqual(await storedRoomRules(ben), [first, second, third])
    const deletion = { op: 'delete', ruleKind: 'room', ruleId: third } as const
    await world.ask.ask('user', ben.userId, 'editPushRules', deletion)
    await world.hosts[1]?.host.drain()
    await ben.sync()
    await ben.member(third, 'leave')
    await ben.member(third, 'join')
    await ben.sync()
    // A turn after whatever the syncs have begun.
    await world.ask.ask('user', ben.userId, 'putTag', { roomId: first, tag: 'u.last', content: {} })
    assert.deepEqual(await storedRoomRules(ben), [first, second])
  },
)

test('a room whose predecessor is no room id carries nothing', limit, async () => {
  const ann = await world.person('ann4')
  const old = await world.room(ann)
  await mute(ann, old)
  const odd = '#alias:test.local' as RoomId
  await world.room(ann, { predecessor: odd })
  const since = await untilRule(ann, old)
  await world.ask.ask('user', ann.userId, 'putTag', { roomId: old, tag: 'u.last', content: {} })
  await ann.sync({ since })
  assert.deepEqual(await storedRoomRules(ann), [old])
})
