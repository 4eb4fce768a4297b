import { connect } from '@nats-io/transport-node'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { BusError } from './bus.ts'
import { busChannel, type BusFact } from './events.ts'
import { connectNatsBus } from './nats.ts'
import {
  actorKinds,
  actorSubject,
  hostSubject,
  logSubject,
  ownershipSubject,
  shardSubject,
  statusSubject,
  type Subject,
} from './subjects.ts'
import { systemClock, systemRandom } from '../runtime/clock.ts'
import { natsServer } from '#test/support/nats.ts'
import {
  makeCertificates,
  natsEnvironment,
  type NatsNodes,
  natsPasswords,
  type NatsUser,
  startNatsNodes,
} from '#test/support/nats-nodes.ts'

const config = join(import.meta.dirname, '../../nats.conf')
const bounded = { timeout: 30_000 }
const host = '9223372036854775807'
const requests = [
  ...actorKinds.map((kind) => actorSubject(kind, 63)),
  shardSubject(63),
  statusSubject(host),
] as const
const publications = [logSubject(63), hostSubject(host), ownershipSubject] as const
/** What a gateway may ask. */
const open = [...actorKinds.map((kind) => actorSubject(kind, 63)), statusSubject(host)]

describe('nats.conf', () => {
  let nodes: NatsNodes
  let alive: NodeJS.Timeout
  before(async () => {
    alive = setInterval(() => {}, 1_000)
    nodes = await startNatsNodes(1)
  })
  after(async () => {
    clearInterval(alive)
    await nodes.nodes[0]?.stop()
    await nodes[Symbol.asyncDispose]()
  })
  const joinAs = (user: NatsUser) =>
    connectNatsBus({
      url: nodes.url(user),
      name: 'test',
      clock: systemClock,
      random: systemRandom,
      tls: { caFile: nodes.ca },
    })

  /** A connection by the client library alone, and what the server says of a reply that it sends. */
  const bareConnection = async (user: NatsUser) => {
    const connection = await connect({
      servers: nodes.url(user).replace(/^.*@/, ''),
      user,
      pass: natsPasswords[user],
      tls: { caFile: nodes.ca, host: '127.0.0.1' } as object,
      reconnect: false,
    })
    const reply = async (subject: string): Promise<string> => {
      connection.publish(subject, 'forged')
      for await (const status of connection.status()) {
        if (status.type !== 'error') continue
        await connection.close()
        return status.error.message
      }
      return 'the connection ended'
    }
    return { reply }
  }

  it('lets hosts use every subject there is', bounded, async () => {
    await using serving = await joinAs('actors')
    await using asking = await joinAs('actors')
    for (const subject of requests) {
      await serving.serve(subject, async () => ({ head: subject }))
      assert.equal((await asking.request(subject, { head: 0 }, { timeoutMs: 5_000 })).head, subject)
    }
    for (const subject of publications) {
      const heard = Promise.withResolvers<unknown>()
      await serving.subscribe(subject, ({ head }) => heard.resolve(head))
      asking.publish(subject, { head: 1 })
      assert.equal(await heard.promise, 1)
    }
  })

  it('lets a gateway ask actors, and hear who owns what', bounded, async () => {
    await using serving = await joinAs('actors')
    await using gateway = await joinAs('gateway')
    for (const subject of open) {
      await serving.serve(subject, async () => ({ head: subject }))
      assert.equal((await gateway.request(subject, { head: 0 }, { timeoutMs: 5_000 })).head, subject)
    }
    const heard = Promise.withResolvers<unknown>()
    await gateway.subscribe(ownershipSubject, ({ head }) => heard.resolve(head))
    serving.publish(ownershipSubject, { head: 1 })
    assert.equal(await heard.promise, 1)
  })

  it('keeps a gateway from answering or listening in the place of a host', bounded, async () => {
    await using gateway = await joinAs('gateway')
    for (const subject of [...requests, logSubject(63), hostSubject(host)]) {
      await assert.rejects(
        gateway.subscribe(subject, () => {}),
        (error) => error instanceof BusError && error.kind === 'failed',
        subject,
      )
    }
  })

  it('keeps a gateway from announcing anything and from forging replies', bounded, async () => {
    await using serving = await joinAs('actors')
    await using gateway = await joinAs('gateway')
    const refused = refusals()
    const heard: unknown[] = []
    for (const subject of [logSubject(63), hostSubject(host), ownershipSubject]) {
      await serving.subscribe(subject, ({ head }) => heard.push(head))
      gateway.publish(subject, { head: 'forged' })
    }
    await refused.atLeast(3)
    assert.deepEqual(heard, [])
    const { reply } = await bareConnection('gateway')
    assert.match(await reply('_INBOX_actors.x.1'), /Permissions Violation for Publish to "_INBOX_actors/)
  })

  it('refuses every user everything else', bounded, async () => {
    for (const user of ['actors', 'gateway'] as const) {
      await using bus = await joinAs(user)
      for (const subject of ['>', '*.1', 'other.1', 'room', 'room.1.x', '$SYS.>', '_INBOX.>']) {
        // What no function of subjects.ts can build.
        const foreign = subject as Subject
        await assert.rejects(
          bus.subscribe(foreign, () => {}),
          BusError,
          `${user} ${subject}`,
        )
      }
    }
  })

  it('names the subjects of subjects.ts and no others', () => {
    const named = readFileSync(config, 'utf8').matchAll(/"([a-z]+(?:\.\*)?)"(?=[,\s\]])/g)
    const expected = [...requests, ...publications].map((subject) => subject.replace(/\.\d+$/, '.*'))
    const notSubjects = new Set(['actors', 'gateway', 'troupe', 'route'])
    const found = new Set([...named].map(([, name]) => name ?? '').filter((name) => !notSubjects.has(name)))
    assert.deepEqual([...found].toSorted(), [...new Set(expected)].toSorted())
  })

  it('refuses whoever has no or other credentials, or does not know its certificate', bounded, async () => {
    const servers = nodes.url('actors').replace(/^.*@/, '')
    const tls = { caFile: nodes.ca, host: '127.0.0.1' } as object
    const foreign = [{}, { user: 'actors', pass: 'wrong' }, { user: 'actors' }, { user: 'x', pass: 'x' }]
    for (const credentials of foreign) {
      await assert.rejects(connect({ servers, reconnect: false, tls, ...credentials }), /Authorization/i)
    }
    await assert.rejects(
      connect({ servers, reconnect: false, tls: { host: '127.0.0.1' } as object }),
      /certificate/,
    )
  })

  it('does not start without the secrets', bounded, async () => {
    await using certificates = await makeCertificates()
    const env = natsEnvironment(certificates, { name: 'nats-1', clusterPort: -1, routes: [] })
    for (const missing of ['NATS_ACTORS_PASSWORD', 'NATS_GATEWAY_PASSWORD', 'NATS_ROUTE_PASSWORD']) {
      const rest = Object.fromEntries(Object.entries(env).filter(([key]) => key !== missing))
      await assert.rejects(natsServer({ config, env: rest, tls: true }), new RegExp(missing))
    }
  })
})

/** Counts what servers refuse from now on. */
function refusals(): { atLeast(count: number): Promise<void> } {
  let seen = 0
  let wanted = Number.POSITIVE_INFINITY
  const enough = Promise.withResolvers<void>()
  const check = (): void => {
    if (seen < wanted) return
    busChannel.unsubscribe(onFact)
    enough.resolve()
  }
  const onFact = (fact: unknown): void => {
    if ((fact as BusFact).kind !== 'server-error') return
    seen++
    check()
  }
  busChannel.subscribe(onFact)
  return {
    atLeast(count) {
      wanted = count
      check()
      return enough.promise
    },
  }
}
