import { connect } from '@nats-io/transport-node'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { BusError } from './bus.ts'
import { connectNatsBus } from './nats.ts'
import {
  actorKinds,
  actorSubject,
  hostSubject,
  logSubject,
  ownershipSubject,
  shardSubject,
  type Subject,
} from './subjects.ts'
import { systemClock, systemRandom } from '../runtime/clock.ts'
import { natsServer, type NatsServer } from '#test/support/nats.ts'

const config = join(import.meta.dirname, '../../nats.conf')
const env = { TROUPE_NATS_USER: 'troupe', TROUPE_NATS_PASSWORD: 'aLongPassword7' }
const bounded = { timeout: 30_000 }

describe('nats.conf', () => {
  let server: NatsServer
  let alive: NodeJS.Timeout
  before(async () => {
    alive = setInterval(() => {}, 1_000)
    server = await natsServer({ config, env, credentials: 'troupe:aLongPassword7' })
  })
  after(async () => {
    clearInterval(alive)
    await server.stop()
  })
  const joinBus = () =>
    connectNatsBus({ url: server.url, name: 'test', clock: systemClock, random: systemRandom })

  it('lets the processes of Troupe use every subject there is', bounded, async () => {
    await using serving = await joinBus()
    await using asking = await joinBus()
    const asked = [...actorKinds.map((kind) => actorSubject(kind, 63)), shardSubject(63)]
    for (const subject of asked) {
      await serving.serve(subject, async () => ({ head: subject }))
      assert.equal((await asking.request(subject, { head: 0 }, { timeoutMs: 5_000 })).head, subject)
    }
    for (const subject of [logSubject(63), hostSubject('9223372036854775807'), ownershipSubject]) {
      const heard = Promise.withResolvers<unknown>()
      await serving.subscribe(subject, ({ head }) => heard.resolve(head))
      asking.publish(subject, { head: 1 })
      assert.equal(await heard.promise, 1)
    }
  })

  it('refuses the same user everything else', bounded, async () => {
    await using bus = await joinBus()
    for (const subject of ['>', '*.1', 'other.1', 'room', 'room.1.x', '$SYS.>']) {
      // What no function of subjects.ts can build.
      const foreign = subject as Subject
      await assert.rejects(
        bus.subscribe(foreign, () => {}),
        BusError,
        subject,
      )
    }
  })

  it('refuses whoever has no or other credentials', bounded, async () => {
    const servers = `127.0.0.1:${server.port}`
    const foreign = [{}, { user: 'troupe', pass: 'wrong' }, { user: 'troupe' }, { user: 'other', pass: 'x' }]
    for (const credentials of foreign) {
      await assert.rejects(connect({ servers, reconnect: false, ...credentials }), /Authorization/i)
    }
  })

  it('does not start without the credentials', bounded, async () => {
    await assert.rejects(natsServer({ config, env: { TROUPE_NATS_USER: 'troupe' } }), /TROUPE_NATS_PASSWORD/)
  })
})
