import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerName } from '#protocol/ids/server-name.ts'
import type { Reads } from '#storage/reads.ts'
import type { ActorContext } from '../runtime/contract.ts'
import { Fanout } from './fanout.ts'
import { userActor } from './user.ts'

test('an activation that is discarded while it is read does not begin to listen', async () => {
  const abort = new AbortController()
  const sql = (): Promise<unknown[]> => {
    abort.abort(new Error('discarded'))
    return Promise.resolve([])
  }
  let listens = false
  const definition = userActor({
    // The cast is sound: it is a name.
    serverName: 'test.local' as ServerName,
    fanout: new Fanout(),
    makeReading: () => {
      listens = true
      throw new Error('not to be made')
    },
  })
  // The casts are sound: nothing else is used while an actor is loaded.
  const reads = { sql } as unknown as Reads
  const context = { key: '@ann:test.local', reads, signal: abort.signal } as unknown as ActorContext
  await assert.rejects(definition.load(context), { message: 'discarded' })
  assert.equal(listens, false)
})
