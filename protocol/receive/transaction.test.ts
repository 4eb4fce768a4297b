import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MatrixError } from '../errors.ts'
import { parseReceivedBody } from '../json/received.ts'
import { roomVersions } from '../versions/table.ts'
import { creator, member, received, run, sourceOf, TestRoom } from './receive-fixture.ts'
import { receivePdu } from './receive-pdu.ts'
import { readTransaction, roomIdOf, type ReceivedTransaction } from './transaction.ts'

function read(text: string): ReceivedTransaction {
  return readTransaction(parseReceivedBody(Buffer.from(text)))
}

function list(length: number): string {
  return `[${Array.from({ length }, () => '{}').join()}]`
}

test('one bad event of a transaction does not take down the others', () => {
  const room = new TestRoom('11')
  const text = (body: string): string =>
    JSON.stringify(room.make({ type: 'm.room.message', sender: member, content: { body } }).pdu)
  const good = [text('1'), text('2')]
  const bad = [
    text('3').replace('"body"', '"n":1.0,"body"'),
    text('4').replace('"body"', '"n":1E400,"body"'),
    text('5').replace('"body"', '"body":"x","body"'),
    text('6').replace('"6"', String.raw`"\ud800"`),
    text('7').replace('"depth"', '"dépth"'),
    'null',
    '[]',
    '{}',
    `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
  ]
  const { pdus } = read(`{"origin":"b.org","pdus":[${good[0]},${bad.join()},${good[1]}]}`)
  const kinds = pdus.map(
    (pdu) => run(receivePdu(room.rules, pdu, sourceOf(room), { isLive: true })).result.kind,
  )
  assert.deepEqual(kinds, ['accepted', ...bad.map(() => 'dropped'), 'accepted'])
})

test('a transaction with more than 50 events or 100 ephemeral messages is refused as a whole', () => {
  const { pdus, edus } = read(`{"pdus":${list(50)},"edus":${list(100)}}`)
  assert.deepEqual([pdus.length, edus.length], [50, 100])
  for (const text of [`{"pdus":${list(51)}}`, `{"edus":${list(101)}}`, '{"pdus":{}}', '{"edus":null}']) {
    assert.throws(
      () => read(text),
      (error) => error instanceof MatrixError && error.errcode === 'M_BAD_JSON',
      text,
    )
  }
  assert.deepEqual(read('{}'), { pdus: [], edus: [] })
})

test('ephemeral messages that no client could be given are left out', () => {
  const deep = `${'['.repeat(101)}${']'.repeat(101)}`
  const { edus } = read(`{"edus":[{"a":1.5},{"a":"\\ud800"},${deep},{"a":1e999},{"b":"x","b":"y"}]}`)
  assert.equal(JSON.stringify(edus), '[{"a":1.5},{"b":"y"}]')
})

test('the room of an event is what it says, and of a create event of version 12 what its id says', () => {
  for (const version of roomVersions.keys()) {
    const room = new TestRoom(version)
    for (const { pdu } of room.events.values()) assert.equal(roomIdOf(received(pdu)), room.id, version)
  }
  const create = { type: 'm.room.create', sender: creator, content: { room_version: '12' } }
  for (const value of [
    1,
    {},
    { room_id: 'x' },
    { room_id: 1 },
    { type: 'm.room.message' },
    { ...create, content: { room_version: '11' } },
    { ...create, content: { room_version: 'x' } },
    { ...create, content: { room_version: 1 } },
    { ...create, content: {} },
    create,
  ]) {
    assert.equal(roomIdOf(received(value)), undefined, JSON.stringify(value))
  }
})
