import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatRoomToken, parseRoomToken, placeBefore } from './room-token.ts'

test('a room token is read back as it was written', () => {
  for (const token of [
    { shard: 0, pos: 0, sub: 0 },
    { shard: 63, pos: 345, sub: 0 },
    { shard: 2, pos: Number.MAX_SAFE_INTEGER, sub: -7 },
  ]) {
    assert.deepEqual(parseRoomToken(formatRoomToken(token)), token)
  }
})

test('nothing else is a room token', () => {
  for (const text of [
    '',
    'r',
    'r1_2',
    'r1_2_3',
    'r01_2_0',
    'r1_2_-0',
    'r1_99999999999999999_0',
    's1_2_0',
    'r1_2_0 ',
  ]) {
    assert.equal(parseRoomToken(text), undefined, text)
  }
})

test('the place before an event excludes it and nothing before it', () => {
  assert.deepEqual(placeBefore({ shard: 1, pos: 9, sub: 0 }), { shard: 1, pos: 9, sub: -1 })
})
