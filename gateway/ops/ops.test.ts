import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { storageChannels } from '#storage/events.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import { startEndpointServer } from '#test/support/endpoint-server.ts'
import { reportFault, requestDone } from '../events.ts'
import { describeError } from './describe-error.ts'
import { healthEndpoints, Readiness } from './health.ts'
import { listenForOperators } from './listener.ts'
import { createLogger, logFacts } from './log.ts'
import { Metrics } from './metrics.ts'
import { readableLine, readableLog } from './readable-log.ts'

/** A place for log lines. */
class Lines extends Writable {
  readonly lines: Record<string, unknown>[] = []

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (const line of chunk.toString().trim().split('\n'))
      this.lines.push(JSON.parse(line) as Record<string, unknown>)
    done()
  }
}

const answered = {
  method: 'PUT',
  route: '/_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId',
  status: 200,
  durationMs: 3.21,
  traceId: 't-1',
  userId: '@a:x',
}

test('a request line names route, outcome, trace and user, and only failures of ours are worth a warning', () => {
  const lines = new Lines()
  using _subscriptions = logFacts(createLogger({ logLevel: 'debug', hostName: 'h' }, lines))
  requestDone.publish(answered)
  requestDone.publish({ ...answered, status: 500 })
  const [first, second] = lines.lines
  const { method, route, status, ms, trace, user, level, host } = first ?? {}
  assert.deepEqual(
    { method, route, status, ms, trace, user, level, host },
    {
      method: 'PUT',
      route: answered.route,
      status: 200,
      ms: 3.2,
      trace: 't-1',
      user: '@a:x',
      level: 'debug',
      host: 'h',
    },
  )
  assert.equal(second?.['level'], 'warn')
})

test('the log shows no secret, neither as a field nor inside an error', () => {
  const lines = new Lines()
  const log = createLogger({ logLevel: 'info', hostName: 'h' }, lines)
  using _subscriptions = logFacts(log)
  log.info({ password: 'hunter2', nested: { access_token: 'hunter2' } }, 'careless')
  let parseError: unknown
  try {
    JSON.parse('{"msg": hunter2}')
  } catch (error) {
    parseError = error
  }
  const database = Object.assign(new Error('invalid input syntax: "hunter2"'), {
    name: 'PostgresError',
    code: '22P02',
    detail: 'hunter2',
    parameters: ['hunter2'],
  })
  reportFault({ where: 'x', traceId: 't', error: new Error('outer', { cause: parseError }) })
  reportFault({ where: 'x', traceId: 't', error: database })
  const text = JSON.stringify(lines.lines)
  assert.equal(lines.lines.length, 3)
  assert.doesNotMatch(text, /hunter2/)
  assert.match(text, /22P02/)
  assert.match(text, /ops\.test\.ts/)
})

test('what does not answer and what waits is a line at its beginning and one at its end', () => {
  const lines = new Lines()
  using _subscriptions = logFacts(createLogger({ logLevel: 'info', hostName: 'h' }, lines))
  channel('troupe:activation').publish({ kind: 'room', key: '!a:x', what: 'stuck', request: 'send' })
  channel('troupe.storage.pool-exhausted').publish({ what: 'began', connections: 8 })
  channel('troupe.storage.pool-exhausted').publish({
    what: 'ended',
    connections: 8,
    waited: 3,
    durationMs: 1.6,
  })
  channel('troupe.storage.connection-silent').publish({ purpose: 'reads', silentMs: 15000.4, statements: 2 })
  channel('troupe.storage.incarnation').publish({ newestEventMs: 1_700_000_000_000 })
  assert.deepEqual(
    lines.lines.map(({ time: _time, host: _host, ...fields }) => fields),
    [
      {
        level: 'warn',
        actor: 'room',
        key: '!a:x',
        request: 'send',
        msg: 'the turn of an actor does not end',
      },
      { level: 'warn', connections: 8, msg: 'all database connections are busy' },
      { level: 'warn', ms: 2, waited: 3, msg: 'the database connections are enough again' },
      {
        level: 'warn',
        purpose: 'reads',
        ms: 15000,
        statements: 2,
        msg: 'a database connection does not answer',
      },
      {
        level: 'warn',
        newestEvent: '2023-11-14T22:13:20.000Z',
        msg: 'the database is another one or has gone back: what was committed after its newest event is lost, and clients get the present state anew',
      },
    ],
  )
})

test('at a terminal a line is in words, with what failed below it', () => {
  const text: string[] = []
  const log = createLogger(
    { logLevel: 'info', hostName: 'h' },
    readableLog({ write: (line) => text.push(line) }),
  )
  log.warn({ ms: 1.2345, statement: 'select 1' }, 'slow query')
  log.error({ err: new Error('outer', { cause: new TypeError('inner') }) }, 'fault')
  assert.match(text[0] ?? '', /^\d\d:\d\d:\d\d warn  slow query  ms=1\.2  statement="select 1"\n$/)
  assert.match(text[1] ?? '', /^\S+ error fault\n  Error: outer\n +at .*\n[^]*  TypeError: inner\n/)
  assert.equal(readableLine('not JSON\n'), 'not JSON\n')
})

test('a description of an error ends after a few causes', () => {
  const circular = new Error('round')
  circular.cause = circular
  assert.equal(JSON.stringify(describeError(circular)).match(/round/g)?.length, 4)
})

test('metrics count facts by bounded labels', async () => {
  using metrics = new Metrics(() => [{ pool: 'reads', open: 8, busy: 3, waiting: 2 }])
  requestDone.publish(answered)
  requestDone.publish({ ...answered, method: 'EVIL', route: 'unknown', status: 499 })
  channel('troupe:commit').publish({ rows: 7, shards: 2, ms: 1.5, result: 'committed' })
  channel('troupe:mailbox').publish({ kind: 'room', depth: 3, refused: false })
  channel('troupe:activation').publish({ kind: 'room', key: '!secret:x', what: 'active' })
  channel('troupe:shard').publish({ shard: 3, epoch: 1, what: 'claimed' })
  channel('troupe:bus').publish({ kind: 'request', adapter: 'memory', target: 'room', outcome: 'ok', ms: 1 })
  channel('troupe:sync').publish({ what: 'wake', ms: 0.1 })
  channel('troupe:sweep').publish({ shard: 3, deleted: { receipt: 5, profile: 0 }, ms: 1 })
  storageChannels.connectionSilent.publish({ purpose: 'session 2', silentMs: 15_000, statements: 1 })
  const { text } = await metrics.text()
  for (const expected of [
    'troupe_sends_total{outcome="2xx"} 1',
    'troupe_request_ms_count{method="other",route="unknown",status="4xx"} 1',
    'troupe_commit_rows_sum 7',
    'troupe_commit_ms_count{result="committed"} 1',
    'troupe_mailbox_depth_sum{kind="room"} 3',
    'troupe_activations_total{kind="room",what="active"} 1',
    'troupe_shard_changes_total{what="claimed"} 1',
    'troupe_bus_request_ms_count{adapter="memory",target="room",outcome="ok"} 1',
    'troupe_sync_ms_count{what="wake"} 1',
    'troupe_swept_rows_total{what="receipt"} 5',
    'troupe_database_connections{pool="reads",state="open"} 8',
    'troupe_database_connections{pool="reads",state="busy"} 3',
    'troupe_database_statements_waiting{pool="reads"} 2',
    'troupe_database_connections_silent_total{pool="session"} 1',
    'process_resident_memory_bytes',
  ]) {
    assert.ok(text.includes(expected), expected)
  }
  assert.doesNotMatch(text, /secret|@a:x/)
})

test('the operators’ listener serves health, readiness and metrics, and nothing else', async () => {
  const readiness = new Readiness()
  let database: string | undefined = 'does not answer'
  readiness.add('database', () => database)
  using metrics = new Metrics()
  await using server = await listenForOperators({
    addresses: [{ host: '127.0.0.1', port: 0 }],
    readiness,
    metrics,
    clock: systemClock,
  })
  const url = server.urls[0] ?? ''
  assert.equal((await fetch(`${url}/health`)).status, 200)
  const notReady = await fetch(`${url}/ready`)
  assert.equal(notReady.status, 503)
  assert.deepEqual(await notReady.json(), { ready: false, problems: { database: 'does not answer' } })
  database = undefined
  assert.equal((await fetch(`${url}/ready`)).status, 200)
  assert.match(await (await fetch(`${url}/metrics`)).text(), /troupe_request_ms/)
  assert.equal((await fetch(`${url}/_matrix/client/versions`)).status, 404)
  assert.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405)
})

test('clients’ listeners serve health and readiness, which ends with draining', async () => {
  const readiness = new Readiness()
  await using server = await startEndpointServer({ endpoints: healthEndpoints(readiness) })
  assert.equal((await fetch(`${server.url}/health`)).status, 200)
  assert.equal((await fetch(`${server.url}/ready`)).status, 200)
  readiness.drain()
  assert.deepEqual(await (await fetch(`${server.url}/ready`)).json(), {
    ready: false,
    problems: { process: 'is ending' },
  })
})
