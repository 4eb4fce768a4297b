import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import type { Clock } from '#actors/runtime/clock.ts'
import { leastEpoch } from '#storage/cluster/incarnation.ts'
import { listHosts } from '#storage/cluster/leases.ts'
import { listShards } from '#storage/cluster/shards.ts'
import { type TestDatabase, testDatabase } from '#test/support/postgres.ts'
import { loadConfig } from '../config/load.ts'
import type { Compose, Running } from '../running.ts'
import type { ClusterView } from '../admin/cluster-view.ts'
import { clusterText } from './cluster-text.ts'
import { hostsToDrain, waitUntilEmpty } from './drain.ts'
import { runCommandLine } from './run.ts'
import { SlowSteps } from './slow-steps.ts'
import { greeting } from './start.ts'
import { terminalOf } from './terminal.ts'

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

interface Play {
  readonly environment?: Record<string, string>
  readonly input?: string
  readonly compose?: Compose
  /** Where standard output goes, for whoever looks while the command runs. */
  readonly output?: Collector
}

/** Runs a command line with a played terminal and configuration. */
async function troupe(commandLine: string, play: Play = {}): Promise<Outcome> {
  const out = play.output ?? new Collector()
  const err = new Collector()
  const code = await runCommandLine({
    args: commandLine === '' ? [] : commandLine.split(' '),
    terminal: terminalOf({ input: Readable.from([play.input ?? '']), output: out, errors: err }),
    config: () =>
      loadConfig({ environment: play.environment ?? {}, workingDirectory: '/nonexistent', processId: 1 }),
    compose: play.compose ?? (() => Promise.reject(new Error('The test did not expect a start.'))),
  })
  return { code, out: out.text, err: err.text }
}

class Collector extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
    this.emit('told')
  }

  /** Resolves when it has been told that; rejects after ten seconds. */
  async until(text: string): Promise<void> {
    const signal = AbortSignal.timeout(10_000)
    while (!this.text.includes(text)) await once(this, 'told', { signal })
  }
}

async function addHost(database: TestDatabase, id: number, name: string, ttl = '1 hour'): Promise<void> {
  await database.database.control.sql`
    insert into host_lease (host_id, name, version, roles, expires_at)
    values (${id}, ${name}, '0.1.0', 'gateway,actors', now() + ${ttl}::interval)`
  // A host lives as long as it holds the lock on its id.
  await database.database.control.sql`select pg_advisory_lock(${id}::bigint)`
}

async function give(database: TestDatabase, owner: number, from: number, to: number): Promise<void> {
  await database.database.control.sql`
    update shard set owner = ${owner}, epoch = epoch + 1 where shard_id between ${from} and ${to}`
}

test('no command and --help show all commands; an unknown one shows them too and fails with 2', async () => {
  const plain = await troupe('')
  assert.equal(plain.code, 0)
  for (const name of [
    'start',
    'user create NAME [--admin]',
    'status',
    'drain HOST',
    'migrate',
    'config',
    'help',
  ]) {
    assert.ok(plain.out.includes(`  ${name}`), name)
  }
  assert.deepEqual(await troupe('--help'), plain)
  const unknown = await troupe('strat')
  assert.equal(unknown.code, 2)
  assert.match(unknown.err, /Did you mean: npx troupe start\?/)
})

test('wrong arguments show the usage of the command and fail with 2', async () => {
  for (const line of ['drain', 'drain a b', 'user create x --nonsense', 'status --x']) {
    const { code, err } = await troupe(line)
    assert.equal(code, 2, line)
    assert.match(err, /Usage: npx troupe/)
  }
})

test('--help after a command shows what it does and its usage', async () => {
  for (const flag of ['--help', '-h']) {
    const { code, out } = await troupe(`user create ${flag}`)
    assert.equal(code, 0)
    assert.match(out, /Usage: npx troupe user create NAME \[--admin\]/)
  }
})

test('config prints the reference, and --check every problem', async () => {
  assert.match((await troupe('config')).out, /# TROUPE_SERVER_NAME=localhost/)
  const bad = { TROUPE_LISTEN: 'x', TROUPE_ROLES: 'y' }
  const { code, err } = await troupe('config --check', { environment: bad })
  assert.equal(code, 1)
  assert.match(err, /TROUPE_LISTEN=x .*\n.*TROUPE_ROLES=y /)
})

test('a configuration that is wrong keeps everything from starting', async () => {
  const { code, err } = await troupe('start', { environment: { TROUPE_LOG_LEVEL: 'loud' } })
  assert.equal(code, 1)
  assert.match(err, /TROUPE_LOG_LEVEL=loud/)
})

test('status shows hosts, shards, owners, epochs and positions, and fails while a shard has no living owner', async () => {
  await using database = await testDatabase({ shardCount: 4 })
  await addHost(database, 11, 'one')
  await addHost(database, 12, 'two', '-1 hour')
  await give(database, 11, 0, 1)
  await give(database, 12, 2, 2)
  await database.database.control
    .sql`insert into log (shard_id, pos, epoch, kind) values (1, 41, 1, 1), (1, 42, 1, 1)`
  const environment = { DATABASE_URL: database.url }
  const { code, out } = await troupe('status', { environment })
  assert.equal(code, 1)
  assert.match(out, /^test\.local, incarnation 1\n/)
  assert.match(out, /^one +alive +gateway,actors +2 +– +0\.1\.0 +11 /m)
  assert.match(out, /^two +gone +/m)
  assert.match(out, /^1 +one +1 +42 +– /m)
  assert.match(out, /^2 +two \(gone\) +1 +0 /m)
  assert.match(out, /^3 +– +0 +0 /m)
  assert.match(out, /2 shards have no living owner/)
  const json = JSON.parse((await troupe('status --json', { environment })).out) as ClusterView
  assert.deepEqual(
    json.hosts.map(({ id, state, shards, answer }) => ({ id, state, shards, answer })),
    [
      { id: '11', state: 'alive', shards: 2, answer: 'not asked' },
      { id: '12', state: 'gone', shards: 1, answer: 'not asked' },
    ],
  )
  assert.deepEqual(json.shards[1], {
    shard: 1,
    epoch: 1,
    head: 42,
    owner: '11',
    owner_name: 'one',
    alive: true,
    load: null,
  })
  await give(database, 11, 0, 3)
  assert.equal((await troupe('status', { environment })).code, 0)
})

test('status says what to do where nothing runs and where the database is empty', async () => {
  const { code, err } = await troupe('status', { environment: { TROUPE_DATA_DIR: '/nonexistent/data' } })
  assert.equal(code, 1)
  assert.match(
    err,
    /No Troupe runs on the data directory \/nonexistent\/data\. Start it with: npx troupe start/,
  )
  await using database = await testDatabase({ migrated: false })
  const empty = await troupe('status', { environment: { DATABASE_URL: database.url } })
  assert.equal(empty.code, 1)
  assert.match(empty.err, /has not been used by Troupe yet/)
})

test('migrate brings an empty database to the newest schema, and may be repeated', async () => {
  await using database = await testDatabase({ migrated: false })
  const environment = { DATABASE_URL: database.url }
  assert.match((await troupe('migrate', { environment })).out, /Applying migration 1/)
  const again = await troupe('migrate', { environment })
  assert.equal(again.code, 0)
  assert.doesNotMatch(again.out, /Applying/)
  assert.equal((await listHosts(database.database.reads)).length, 0)
})

test('drain marks the host, says how many shards are left, and waits until others own them', async () => {
  await using database = await testDatabase({ shardCount: 4 })
  await addHost(database, 11, 'one')
  await addHost(database, 12, 'two')
  await give(database, 11, 0, 3)
  const told = new Collector()
  const handOver = async (): Promise<void> => {
    await told.until('4 shards left')
    assert.deepEqual(
      (await listHosts(database.database.reads)).map((host) => host.draining),
      [true, false],
    )
    await give(database, 12, 0, 2)
    await told.until('1 shard left')
    await give(database, 12, 3, 3)
  }
  const [outcome] = await Promise.all([
    troupe('drain one', { environment: { DATABASE_URL: database.url }, output: told }),
    handOver(),
  ])
  assert.equal(outcome.err, '')
  assert.equal(outcome.code, 0)
  assert.match(
    outcome.out,
    /^4 shards left after \d+\.\d s\n1 shard left after \d+\.\d s\none has no shards any more and can be stopped\.\n$/,
  )
  assert.ok((await listShards(database.database.reads)).every((shard) => shard.owner === 12))
})

test('a drain tells each number once, and fails with what to do when it is not over in a minute', async () => {
  await using database = await testDatabase({ shardCount: 4 })
  await addHost(database, 11, 'one')
  await addHost(database, 12, 'two')
  await give(database, 11, 0, 3)
  // Whoever waits has waited at once; after half a minute the other host has three of the shards.
  let nowMs = 0
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (delayMs, run) => {
      nowMs += delayMs
      if (nowMs === 30_000) void give(database, 12, 0, 2).then(run)
      else setImmediate(run)
      return { cancel: () => {} }
    },
  }
  const told: string[] = []
  const terminal = { write: (text: string) => void told.push(text) }
  await assert.rejects(
    waitUntilEmpty({ reads: database.database.reads, drained: new Set([11]), terminal, clock }),
    /did not hand over its shards in a minute\. It goes on draining; see: npx troupe status$/,
  )
  assert.ok(nowMs > 60_000 && nowMs < 61_000)
  assert.deepEqual(told, ['4 shards left after 0.0 s\n', '1 shard left after 30.0 s\n'])
})

test('a drain that is cancelled unmarks the host', async () => {
  await using database = await testDatabase({ shardCount: 4 })
  await addHost(database, 11, 'one')
  await database.database.control.sql`update host_lease set draining = true`
  const { code, out } = await troupe('drain one --cancel', { environment: { DATABASE_URL: database.url } })
  assert.equal(code, 0)
  assert.match(out, /takes its share of the shards again/)
  assert.equal((await listHosts(database.database.reads))[0]?.draining, false)
})

test('the cluster is shown in tables, with what hosts tell of themselves', () => {
  const nowMs = 1_000_000
  const commits = { count: 3, span_ms: 60_000, rows: 9, failed: 0, p50_ms: 4.25, p99_ms: 31.4, max_ms: 40 }
  const failures = [{ what: 'commit: weather', count: 2, last_ts: nowMs - 5000 }]
  const text = clusterText(
    {
      server_name: 'test.local',
      incarnation: 1,
      hosts: [
        {
          id: '11',
          name: 'one',
          version: '0.1.0',
          roles: ['actors'],
          state: 'draining',
          condition: 'cut off',
          lease_age_ms: 420,
          shards: 1,
          weight: 2,
          answer: 'answered',
          uptime_ms: 7_260_000,
          memory_bytes: 200 * 1024 * 1024,
          commits,
          failures,
        },
      ],
      shards: [
        {
          shard: 0,
          epoch: 3,
          head: 17,
          owner: '11',
          owner_name: 'one',
          alive: true,
          load: { state: 'serving', actors: 5, mailbox: 4, uncommitted: 2, followers: 1 },
        },
      ],
      moves: [
        {
          shard: 0,
          epoch: 3,
          from: { id: '10', name: null },
          to: { id: '11', name: 'one' },
          why: 'died',
          ts: nowMs - 90_000,
        },
      ],
    },
    nowMs,
  )
  assert.match(
    text,
    /^one +draining, cut off from NATS +actors +1 +2 +0\.1\.0 +11 +420 ms +4\.3 ms \/ 31 ms +200 MiB +2 h$/m,
  )
  assert.match(text, /^0 +one +3 +17 +5 +4 +2 +1$/m)
  assert.match(text, /^90 s ago +0 +10 +one +died$/m)
  assert.match(text, /^5 s ago +one +2× +commit: weather$/m)
})

test('drain refuses a host that is not there and the last one that could own shards', () => {
  const host = {
    hostId: 1,
    name: 'one',
    version: '1',
    roles: 'actors',
    draining: false,
    alive: true,
    shards: 4,
    renewedMsAgo: 300,
  }
  const gateway = { ...host, hostId: 2, name: 'two', roles: 'gateway', shards: 0 }
  assert.throws(() => hostsToDrain([host], 'three'), /no living host three\. Alive: one\./)
  assert.throws(() => hostsToDrain([host, gateway], 'one'), /Nobody else could take/)
  assert.doesNotThrow(() => hostsToDrain([host, gateway], 'two'))
  const other = { ...host, hostId: 3, name: 'three' }
  assert.doesNotThrow(() => hostsToDrain([host, other], '1'))
  assert.throws(() => hostsToDrain([host, { ...other, condition: 'cut off' }], '1'), /Nobody else could take/)
})

/** A server that plays the admin request, as a running Troupe or one started for the command would answer. */
async function playServer(): Promise<{ readonly url: string; readonly bodies: string[] } & AsyncDisposable> {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      bodies.push(`${request.headers.authorization} ${Buffer.concat(chunks).toString()}`)
      response.end('{"user_id":"@alice:localhost"}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    url: `http://127.0.0.1:${address.port}`,
    bodies,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await server[Symbol.asyncDispose]()
    },
  }
}

function runningAt(url: string, onDispose = () => {}): Running {
  return {
    listening: [url],
    operatorListening: [],
    registrationToken: 'tok',
    isEmpty: true,
    operatorToken: 'op',
    [Symbol.asyncDispose]: async () => onDispose(),
  }
}

test('user create runs a server for itself where none runs, and ends it', async () => {
  await using server = await playServer()
  let ended = false
  const compose: Compose = async (config) => {
    assert.deepEqual(config.listen, [{ host: '127.0.0.1', port: 0 }])
    return runningAt(server.url, () => {
      ended = true
    })
  }
  const environment = { TROUPE_DATA_DIR: '/nonexistent/data' }
  const { code, out } = await troupe('user create alice --admin', {
    environment,
    compose,
    input: 'pass word\n',
  })
  assert.equal(code, 0)
  assert.match(out, /Made @alice:localhost, an administrator\./)
  assert.deepEqual(server.bodies, ['Bearer op {"localpart":"alice","password":"pass word","admin":true}'])
  assert.equal(ended, true)
})

test('user create asks the server that runs, with the operator token of its database', async () => {
  await using database = await testDatabase({ serverName: 'localhost' })
  await using server = await playServer()
  await addHost(database, 11, 'one')
  await database.database.control
    .sql`insert into secret (name, value) values ('operator_token', 'from database')`
  const environment = { DATABASE_URL: database.url, TROUPE_LISTEN: new URL(server.url).host }
  const { code } = await troupe('user create @alice:localhost', { environment, input: 'pass' })
  assert.equal(code, 0)
  assert.match(server.bodies[0] ?? '', /^Bearer from database .*"localpart":"alice".*"admin":false/)
  assert.match(
    (await troupe('user create @alice:elsewhere', { input: 'pass' })).err,
    /Only accounts of localhost/,
  )
})

test('a password is read from standard input, and an empty one is refused', async () => {
  const { code, err } = await troupe('user create alice', { input: '\n' })
  assert.equal(code, 1)
  assert.match(err, /no password/)
})

test('a password that is typed is not shown, and can be corrected', async () => {
  const shown = new Collector()
  const modes: boolean[] = []
  const keys = new Readable({ read() {} })
  const input = Object.assign(keys, {
    isTTY: true as const,
    setRawMode: (mode: boolean) => void modes.push(mode),
  })
  const terminal = terminalOf({
    input: input as unknown as Parameters<typeof terminalOf>[0]['input'],
    output: shown,
    errors: shown,
  })
  const secret = terminal.readSecret('Password: ')
  keys.push('abx')
  keys.push('\u007fc\r')
  assert.equal(await secret, 'abc')
  assert.equal(shown.text, 'Password: \n')
  assert.deepEqual(modes, [true, false])
})

test('only a typed yes confirms, and without a terminal nobody is asked', async () => {
  const ask = (text: string, isTTY: boolean): Promise<boolean | undefined> => {
    const sink = new Collector()
    const keys = Object.assign(Readable.from([text]), isTTY ? { isTTY: true as const } : {})
    const input = keys as unknown as Parameters<typeof terminalOf>[0]['input']
    return terminalOf({ input, output: sink, errors: sink }).confirm('Sure? ')
  }
  assert.equal(await ask('yes\n', true), true)
  assert.equal(await ask(' YES \r\n', true), true)
  for (const text of ['y\n', 'no\n', '\n', '']) assert.equal(await ask(text, true), false, text)
  assert.equal(await ask('yes\n', false), undefined)
})

test('restore refuses a database without Troupe and one that a process uses', async () => {
  await using empty = await testDatabase({ migrated: false })
  const nothing = await troupe('restore --yes', { environment: { DATABASE_URL: empty.url } })
  assert.equal(nothing.code, 1)
  assert.match(nothing.err, /put the backup back first/)
  await using database = await testDatabase({ shardCount: 4 })
  await addHost(database, 11, 'one')
  const environment = { DATABASE_URL: database.url }
  const used = await troupe('restore --yes', { environment })
  assert.equal(used.code, 1)
  assert.match(used.err, /Processes are using this database: one\./)
  await database.database.control.sql`delete from host_lease`
  assert.match((await troupe('restore', { environment })).err, /Nothing was changed\. .*--yes/)
  const done = await troupe('restore --yes', { environment })
  assert.equal(done.code, 0)
  assert.match(done.out, /It holds no event\./)
  const incarnation = Number(/Done: incarnation (\d{10})\./.exec(done.out)?.[1])
  const shards = await listShards(database.database.reads)
  assert.ok(shards.every(({ epoch }) => epoch === leastEpoch(incarnation)))
})

test('the first start says where it listens, how to make the first user, and where the data is', () => {
  const config = loadConfig({
    environment: { TROUPE_DATA_DIR: '/srv/data' },
    workingDirectory: '/',
    processId: 1,
  })
  const text = greeting(config, runningAt('http://127.0.0.1:8008'))
  assert.match(text, /Clients: +http:\/\/127\.0\.0\.1:8008$/m)
  assert.match(text, /Console: +http:\/\/127\.0\.0\.1:8008\/_troupe\/console$/m)
  assert.match(text, /\/srv\/data/)
  assert.match(text, /Registration token: +tok/)
  assert.match(text, /npx troupe user create NAME --admin/)
  const later = greeting(config, { ...runningAt('http://127.0.0.1:8008'), isEmpty: false })
  assert.doesNotMatch(later, /user create/)
})

test('a step of the start is told only when it takes longer than a second', () => {
  const timers: { run: () => void; cancelled: boolean; delayMs: number }[] = []
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (delayMs, run) => {
      const timer = { run, cancelled: false, delayMs }
      timers.push(timer)
      return { cancel: () => (timer.cancelled = true) }
    },
  }
  const told: string[] = []
  const steps = new SlowSteps(clock, (text) => told.push(text))
  steps.begin('Quick.')
  steps.begin('Slow.')
  timers[1]?.run()
  steps.begin('Last.')
  steps.end()
  assert.deepEqual(
    timers.map((timer) => timer.cancelled),
    [true, true, true],
  )
  assert.equal(timers[0]?.delayMs, 1000)
  assert.deepEqual(told, ['Slow.\n'])
})
