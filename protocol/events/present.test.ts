import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unsignedText } from './present.ts'

test('unsigned has its age and nothing that is not said', () => {
  assert.equal(unsignedText({ age: 5 }), '{"age":5}')
})

test('everything that is said stands in unsigned under its name, strings escaped', () => {
  const text = unsignedText({
    age: 1,
    membership: 'join',
    transactionId: 'a"b',
    previous: { content: '{"n":1}', sender: '@a:b', eventId: '$e' },
    redactedBecause: '{"type":"m.room.redaction"}',
    relations: '{"m.reference":{"chunk":[]}}',
  })
  assert.deepEqual(JSON.parse(text), {
    age: 1,
    'm.relations': { 'm.reference': { chunk: [] } },
    membership: 'join',
    prev_content: { n: 1 },
    prev_sender: '@a:b',
    redacted_because: { type: 'm.room.redaction' },
    replaces_state: '$e',
    transaction_id: 'a"b',
  })
})
