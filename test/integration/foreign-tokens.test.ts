/** Sync tokens from before the database lost commits, where a client uses them to page: their positions mean other events by now. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatSyncToken } from '#protocol/tokens/sync-token.ts'
import { readSyncHeads } from '#storage/sync/heads.ts'
import { startRoomServer } from '../support/room-server.ts'

test('a gap that is filled back to a token of before the loss has everything, and back to a present token what is new', async () => {
  await using server = await startRoomServer(['alice'])
  const alice = server.person('alice')
  const room = await alice.createRoom()
  const { reads } = server.test.database
  const heads = await readSyncHeads(reads)
  const sent = [await alice.send(room, 'one'), await alice.send(room, 'two')]
  const token = (incarnation: number, further: number): string =>
    formatSyncToken({
      incarnation,
      positions: heads.positions.map((pos) => Math.max(0, pos + further)),
      toDevice: 0,
      activation: 1,
    })
  const path = `v3/rooms/${encodeURIComponent(room)}`
  const idsBackTo = async (to: string): Promise<string[]> => {
    const { chunk } = await alice.get(`${path}/messages?dir=b&limit=100&to=${to}`)
    return chunk.map((event: { event_id: string }) => event.event_id).toReversed()
  }
  assert.deepEqual(await idsBackTo(token(heads.incarnation, 0)), sent)
  const all = await idsBackTo(token(heads.incarnation - 1, 100))
  assert.deepEqual(all.slice(-2), sent)
  assert.ok(all.length > 2, 'it goes back to the creation of the room')
  const members = await alice.get(`${path}/members?at=${token(heads.incarnation - 1, -1000)}`)
  assert.equal(members.chunk.length, 1, 'the members are those of now')
})
