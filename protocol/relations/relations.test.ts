import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseEventId } from '../ids/event-id.ts'
import type { JsonObject } from '../json/types.ts'
import { bundleRelations } from './bundle.ts'
import { compareEdits, editedContent, isValidEdit, mayBeThreadRoot, relationOf } from './relates-to.ts'
import { repliedEventOf, threadRootOf } from './relates-to.ts'

const relates = (value: JsonObject): JsonObject => ({ body: 'x', 'm.relates_to': value })
const thread = relates({ rel_type: 'm.thread', event_id: '$root' })
const reply = relates({ 'm.in_reply_to': { event_id: '$parent' } })

describe('relationOf', () => {
  it('reads type, target, key, fallback and reply', () => {
    const content = relates({
      rel_type: 'm.thread',
      event_id: '$root',
      key: '👍',
      is_falling_back: true,
      'm.in_reply_to': { event_id: '$parent' },
    })
    assert.deepEqual(relationOf(content), {
      relType: 'm.thread',
      eventId: '$root',
      key: '👍',
      isFallingBack: true,
      inReplyTo: '$parent',
    })
    assert.deepEqual(relationOf(thread), { relType: 'm.thread', eventId: '$root', isFallingBack: false })
  })

  it('ignores relations that are not complete', () => {
    const incomplete: JsonObject[] = [
      {},
      { 'm.relates_to': 'x' },
      relates({}),
      relates({ rel_type: 'm.thread' }),
      relates({ event_id: '$root' }),
      relates({ rel_type: 1, event_id: '$root' }),
      relates({ rel_type: 'm.thread', event_id: 'root' }),
      reply,
    ]
    for (const content of incomplete) assert.equal(relationOf(content), undefined)
  })

  it('leaves plain replies to repliedEventOf', () => {
    assert.equal(repliedEventOf(reply), '$parent')
    assert.equal(repliedEventOf(thread), undefined)
    assert.equal(repliedEventOf(relates({ 'm.in_reply_to': { event_id: 7 } })), undefined)
  })
})

describe('threads', () => {
  const chain = (length: number) => {
    const events = new Map<string, JsonObject>([['$0', thread]])
    for (let i = 1; i < length; i++) {
      events.set(`$${i}`, relates({ rel_type: 'm.annotation', event_id: `$${i - 1}`, key: 'x' }))
    }
    return threadRootOf(events.get(`$${length - 1}`) ?? {}, (eventId) => events.get(eventId))
  }

  it('contain what relates to them over three hops at most', () => {
    assert.deepEqual([chain(1), chain(2), chain(4), chain(5)], ['$root', '$root', '$root', undefined])
  })

  it('do not contain events without a way to a thread', () => {
    assert.equal(
      threadRootOf({}, () => thread),
      undefined,
    )
    assert.equal(
      threadRootOf(reply, () => thread),
      undefined,
    )
    const reference = relates({ rel_type: 'm.reference', event_id: '$x' })
    assert.equal(
      threadRootOf(reference, () => undefined),
      undefined,
    )
    assert.equal(
      threadRootOf(reference, () => reference),
      undefined,
    )
  })

  it('start at events that relate to no other', () => {
    assert.ok(mayBeThreadRoot({}))
    assert.ok(mayBeThreadRoot(reply))
    assert.ok(!mayBeThreadRoot(thread))
  })
})

describe('edits', () => {
  const original = { type: 'm.room.message', sender: '@a:b', content: { body: 'one' } }
  const edit = {
    ...original,
    content: { ...relates({ rel_type: 'm.replace', event_id: '$one' }), 'm.new_content': { body: 'two' } },
  }

  it('are valid by the rules of the specification', () => {
    assert.ok(isValidEdit(original, edit))
    assert.ok(!isValidEdit(original, { ...edit, sender: '@c:d' }))
    assert.ok(!isValidEdit(original, { ...edit, type: 'm.sticker' }))
    assert.ok(!isValidEdit({ ...original, state_key: '' }, edit))
    assert.ok(!isValidEdit(original, { ...edit, state_key: '' }))
    assert.ok(!isValidEdit(edit, edit))
    assert.ok(
      !isValidEdit(original, { ...edit, content: relates({ rel_type: 'm.replace', event_id: '$one' }) }),
    )
    assert.ok(!isValidEdit(original, { ...edit, content: { ...thread, 'm.new_content': {} } }))
  })

  it('of encrypted events hide their new content', () => {
    const type = 'm.room.encrypted'
    const content = relates({ rel_type: 'm.replace', event_id: '$one' })
    assert.ok(isValidEdit({ ...original, type }, { ...edit, type, content }))
  })

  it('are ordered by time, then id', () => {
    const edits = [
      { eventId: '$b', originServerTs: 2 },
      { eventId: '$z', originServerTs: 1 },
      { eventId: '$a', originServerTs: 2 },
    ]
    assert.deepEqual(
      edits.toSorted(compareEdits).map((item) => item.eventId),
      ['$z', '$a', '$b'],
    )
  })

  it('replace the content and keep its relation', () => {
    const next = { 'm.new_content': { body: 'two', 'm.relates_to': { rel_type: 'x', event_id: '$y' } } }
    assert.deepEqual(editedContent({ body: 'one', formatted_body: 'one' }, next), { body: 'two' })
    assert.deepEqual(editedContent(thread, next), { ...thread, body: 'two' })
    assert.equal(editedContent(thread, {}), thread)
  })
})

describe('bundleRelations', () => {
  it('gives the aggregations that there are', () => {
    const text = bundleRelations({
      replacement: '{"event_id":"$edit"}',
      thread: { latestEvent: '{"event_id":"$latest"}', count: 7, currentUserParticipated: true },
      references: [parseEventId('$one'), parseEventId('$two')],
    })
    assert.deepEqual(JSON.parse(text ?? ''), {
      'm.replace': { event_id: '$edit' },
      'm.thread': { latest_event: { event_id: '$latest' }, count: 7, current_user_participated: true },
      'm.reference': { chunk: [{ event_id: '$one' }, { event_id: '$two' }] },
    })
  })

  it('gives nothing when there are none', () => {
    assert.equal(bundleRelations({ references: [] }), undefined)
  })
})
