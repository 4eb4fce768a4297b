import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerName } from '#protocol/ids/server-name.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '#storage/reads.ts'
import { ShardWrites } from '#storage/shard-writes.ts'
import type { ActorContext, Decision } from '../runtime/contract.ts'
import { SeenTransaction } from '../runtime/failures.ts'
import { SeenKeys, UserCore } from './core.ts'
import { Fanout } from './fanout.ts'
import { ToDevice } from './to-device.ts'

const ann = parseUserId('@ann:test.local')
const message = {
  sender: parseUserId('@ben:test.local'),
  type: 'm.dummy',
  txnKey: 'key',
  messages: { PHONE: { text: 'once' } },
}

/** The inboxes of an activation under an epoch, whose decisions are answered by `commit`. */
function activation(seen: SeenKeys, epoch: number, commit: (decision: Decision) => Promise<void>): ToDevice {
  // The casts are sound: nothing else of a context is used to deliver a message, and the name is one.
  const reads = { sql: () => Promise.resolve([]) } as unknown as Reads
  const context = { shard: 3, epoch, reads, writes: () => new ShardWrites(3), decide: commit }
  const phone = { deviceId: 'PHONE', createdAt: 0 }
  return new ToDevice(
    new UserCore({
      context: context as unknown as ActorContext,
      userId: ann,
      serverName: 'test.local' as ServerName,
      account: {
        userId: ann,
        createdAt: 0,
        passwordHash: undefined,
        admin: false,
        deactivatedAt: undefined,
        erased: false,
      },
      devices: [
        { ...phone, displayName: undefined, lastSeenTs: undefined, lastSeenIp: undefined, keys: undefined },
      ],
      fanout: new Fanout(),
      seen,
    }),
  )
}

test('a message that the database has is not stored again, and one that it has lost with a failover is', async () => {
  const seen = new SeenKeys()
  let stored = 0
  const store = (): Promise<void> => {
    stored++
    return Promise.resolve()
  }
  const refuse = (): Promise<void> => Promise.reject(new SeenTransaction(['key']))
  await activation(seen, 7, refuse).deliver(message)
  await activation(seen, 7, store).deliver(message)
  assert.equal(stored, 0, 'the activation after the one that was refused knows that it is done')
  await activation(seen, 1_000_007, store).deliver(message)
  assert.equal(stored, 1, 'what was in the log of another epoch need not be in this one')
})
