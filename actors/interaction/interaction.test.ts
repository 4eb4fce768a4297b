import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#test/support/manual-clock.ts'
import type { Actor, ActorContext, Caller, RequestOf } from '../runtime/contract.ts'
import { dialogueMs, interactionActor } from './interaction.ts'
import type { InteractionMessages } from './messages.ts'

const caller: Caller = { traceId: 'test', signal: new AbortController().signal }
const flows = [['m.login.password'], ['a', 'b']]

async function start(): Promise<{
  clock: ManualClock
  ask: (request: RequestOf<InteractionMessages>) => unknown
}> {
  const clock = new ManualClock()
  // The cast is sound: a dialogue uses nothing else of its context.
  const actor: Actor<InteractionMessages> = await interactionActor().load({
    clock,
  } as unknown as ActorContext)
  return { clock, ask: (request) => actor.handle(request, caller) }
}

const open = { kind: 'open', body: { operation: 'op', flows } } as const

function complete(stage: string, operation = 'op'): RequestOf<InteractionMessages> {
  return { kind: 'complete', body: { operation, stage } }
}

const close = { kind: 'close', body: { operation: 'op' } } as const

test('a dialogue is done when one whole flow is, and serves once', async () => {
  const { ask } = await start()
  assert.deepEqual(ask(open), { completed: [] })
  assert.deepEqual(ask(complete('a')), { completed: ['a'], done: false })
  assert.throws(() => ask(close), { errcode: 'M_FORBIDDEN' })
  assert.deepEqual(ask(complete('b')), { completed: ['a', 'b'], done: true })
  assert.deepEqual(ask(open), { completed: ['a', 'b'] })
  ask(close)
  for (const request of [close, open, complete('a')])
    assert.throws(() => ask(request), { errcode: 'M_FORBIDDEN', message: /has served its request/ })
})

test('a dialogue is for one operation and for the stages that were offered', async () => {
  const { ask } = await start()
  ask(open)
  assert.throws(() => ask(complete('a', 'other')), { errcode: 'M_FORBIDDEN' })
  assert.throws(() => ask({ kind: 'open', body: { operation: 'other', flows } }), { errcode: 'M_FORBIDDEN' })
  assert.throws(() => ask(complete('m.login.dummy')), { errcode: 'M_FORBIDDEN' })
  assert.deepEqual(ask(open), { completed: [] })
})

test('a dialogue that nobody opened, or that is over, is unknown', async () => {
  const { ask, clock } = await start()
  assert.throws(() => ask(complete('a')), { errcode: 'M_UNKNOWN', status: 400 })
  ask(open)
  await clock.advance(dialogueMs - 1)
  assert.deepEqual(ask(complete('a')), { completed: ['a'], done: false })
  await clock.advance(dialogueMs + 1)
  assert.throws(() => ask(complete('b')), { errcode: 'M_UNKNOWN', status: 400 })
  assert.deepEqual(ask(open), { completed: [] })
})
