import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { initialise, readMigrations } from '#storage/migrate.ts'
import type { ServerFacts } from '#storage/server-facts.ts'
import { serving } from '#test/support/loopback.ts'
import { natsServer } from '#test/support/nats.ts'
import { makeCertificates, startNatsNodes } from '#test/support/nats-nodes.ts'
import { type TestDatabase, testDatabase } from '#test/support/postgres.ts'
import { loadConfig } from '../config/load.ts'
import type { ClusterView, HostView } from '../admin/cluster-view.ts'
import { programVersion } from '../version.ts'
import { examineCluster } from './doctor/cluster.ts'
import { clockFinding, connectionFinding, settingFindings } from './doctor/database.ts'
import { bytesInWords, type Finding } from './doctor/finding.ts'
import { examineNats } from './doctor/nats.ts'
import { certificateFinding, examineNetwork } from './doctor/network.ts'
import { runCommandLine } from './run.ts'
import { terminalOf } from './terminal.ts'

const limit = { timeout: 60_000 }
const dayMs = 86_400_000

function configOf(environment: Record<string, string> = {}): ReturnType<typeof loadConfig> {
  return loadConfig({ environment, workingDirectory: '/nonexistent', processId: 1 })
}

interface Report {
  readonly problems: number
  readonly warnings: number
  readonly findings: readonly Finding[]
}

async function doctor(environment: Record<string, string>): Promise<Report & { readonly code: number }> {
  const { code, text } = await commandLine(['doctor', '--json'], environment)
  return { ...(JSON.parse(text) as Report), code }
}

/** What a command returns and writes. */
async function commandLine(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<{ readonly code: number; readonly text: string }> {
  let text = ''
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  const code = await runCommandLine({
    args,
    terminal: terminalOf({ input: Readable.from(['']), output, errors: output }),
    config: () => configOf(environment),
    compose: () => Promise.reject(new Error('The test did not expect a start.')),
  })
  return { code, text }
}

function of(findings: readonly Finding[], area: string): string[] {
  return findings.filter((finding) => finding.area === area).map(({ verdict, what }) => `${verdict}: ${what}`)
}

const facts: ServerFacts = {
  version: '18.4',
  fsync: true,
  fullPageWrites: true,
  synchronousCommit: 'on',
  autovacuum: true,
  maxConnections: 100,
  reservedConnections: 3,
  connections: 20,
  databaseBytes: 1,
  oldestTransactionMs: 0,
  transactionAge: 1,
  retainedWalBytes: 0,
  nowMs: 0,
}

describe('the database', () => {
  it('is told with version, room, clock and schema, and a disk with what is free', limit, async () => {
    await using database = await testDatabase({ serverName: 'example.org' })
    await using folder = await temporaryFolder()
    const { findings, code, problems } = await doctor({
      DATABASE_URL: database.url,
      TROUPE_SERVER_NAME: 'example.org',
      TROUPE_DATA_DIR: folder.path,
      TROUPE_LISTEN: '127.0.0.1:1',
    })
    assert.equal(code, 0)
    assert.equal(problems, 0)
    assert.match(of(findings, 'database')[0] ?? '', /^ok: PostgreSQL \d+\.\d+, .* MiB, fsync on$/)
    assert.match(of(findings, 'clock')[0] ?? '', /^ok: \d+ ms (ahead of|behind) the database's$/)
    assert.match(of(findings, 'schema')[0] ?? '', /^ok: all migrations of this version; incarnation 1$/)
    assert.match(of(findings, 'data directory')[0] ?? '', /^\w+: .* is writable, .* are free$/)
    assert.deepEqual(of(findings, 'cluster'), ['warning: no process lives'])
  })

  it('of another server, and one that does not answer, are problems', limit, async () => {
    await using database = await testDatabase({ serverName: 'example.org' })
    const other = await doctor({ DATABASE_URL: database.url, TROUPE_SERVER_NAME: 'example.com' })
    assert.equal(other.code, 1)
    assert.match(of(other.findings, 'schema')[0] ?? '', /^problem: the database belongs to example\.org/)
    const absent = await doctor({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' })
    assert.equal(absent.code, 1)
    assert.match(of(absent.findings, 'database')[0] ?? '', /^problem: it cannot be used: .*ECONNREFUSED/)
  })

  it(
    'that lacks migrations is a warning that names them, and well again after `troupe migrate`',
    limit,
    async () => {
      await using database = await databaseOfVersionBefore()
      await using folder = await temporaryFolder()
      const environment = {
        DATABASE_URL: database.url,
        TROUPE_SERVER_NAME: 'example.org',
        TROUPE_DATA_DIR: folder.path,
        TROUPE_LISTEN: '127.0.0.1:1',
      }
      const { findings, code, problems } = await doctor(environment)
      assert.equal(code, 0)
      assert.equal(problems, 0)
      const [missing] = findings.filter(({ area }) => area === 'schema')
      assert.equal(missing?.verdict, 'warning')
      assert.match(missing.what, /^migrations are missing: 8 \(host-weight\), 9 \(host-condition\)/)
      assert.match(missing.remedy ?? '', /^npx troupe migrate, or start a process of this version\.$/)
      assert.equal((await commandLine(['migrate'], environment)).code, 0)
      assert.match(
        of((await doctor(environment)).findings, 'schema').join(),
        /^ok: all migrations of this version; /,
      )
    },
  )

  it('is judged by its settings', () => {
    const verdicts = (changed: Partial<ServerFacts>): string[] =>
      settingFindings({ ...facts, ...changed }).map(({ verdict, what }) => `${verdict}: ${what}`)
    assert.deepEqual(verdicts({}), [])
    assert.deepEqual(verdicts({ fsync: false }), ['problem: fsync is off'])
    assert.deepEqual(verdicts({ synchronousCommit: 'off' }), ['problem: synchronous_commit is off'])
    assert.deepEqual(verdicts({ autovacuum: false }), ['problem: autovacuum is off'])
    assert.deepEqual(verdicts({ fullPageWrites: false }), ['warning: full_page_writes is off'])
  })

  it('must have room for the processes that live and one that starts', () => {
    assert.equal(connectionFinding(facts, 4).verdict, 'ok')
    assert.equal(connectionFinding(facts, 8).verdict, 'warning')
    assert.match(connectionFinding(facts, 8).remedy ?? '', /max_connections to \d{3}/)
  })

  it('may have a clock that is a little off, but not by a minute', () => {
    assert.deepEqual(
      [0, -1500, 3000, -90_000].map((ms) => clockFinding(ms).verdict),
      ['ok', 'ok', 'warning', 'problem'],
    )
  })
})

describe('settings', () => {
  it('that cannot be used are problems, one each', limit, async () => {
    const { findings, code } = await doctor({ TROUPE_LISTEN: 'x', TROUPE_ROLES: 'y' })
    assert.equal(code, 1)
    assert.equal(of(findings, 'settings').length, 2)
  })
})

describe('the data directory', () => {
  it('that is a file is a problem', limit, async () => {
    const { findings, code } = await doctor({ TROUPE_DATA_DIR: join(import.meta.filename, 'below') })
    assert.equal(code, 1)
    assert.match(of(findings, 'data directory')[0] ?? '', /^problem: .* cannot be used/)
  })
})

describe('NATS', () => {
  it('is told with version, payload, permissions and round trip', limit, async () => {
    await using server = await natsServer()
    const findings = await examineNats(configOf({ NATS_URL: server.url, DATABASE_URL: 'postgres://x/y' }))
    assert.match(
      of(findings, 'NATS').join('\n'),
      /^ok: 127\.0\.0\.1:\d+ runs 2\.\d+\.\d+, messages up to 1\.0 MiB\nok: this user may do what .*\n\w+: a round trip takes [\d.]+ ms$/,
    )
  })

  it('that is not there is a problem', limit, async () => {
    const findings = await examineNats(
      configOf({ NATS_URL: 'nats://127.0.0.1:1', DATABASE_URL: 'postgres://x/y' }),
    )
    assert.ok(findings.every(({ verdict }) => verdict === 'problem'))
    assert.match(findings[0]?.what ?? '', /127\.0\.0\.1:1 does not answer: .*ECONNREFUSED/)
  })

  it('with the user of a gateway is enough for a gateway and not for a host', limit, async () => {
    await using nats = await startNatsNodes(1)
    const environment = {
      NATS_URL: nats.url('gateway'),
      TROUPE_NATS_CA: nats.ca,
      DATABASE_URL: 'postgres://x/y',
    }
    const gateway = await examineNats(configOf({ ...environment, TROUPE_ROLES: 'gateway' }))
    assert.deepEqual(
      gateway.filter(({ verdict }) => verdict === 'problem'),
      [],
    )
    const host = await examineNats(configOf({ ...environment, TROUPE_ROLES: 'actors' }))
    assert.deepEqual(
      host.filter(({ verdict }) => verdict === 'problem').map(({ what }) => what),
      ['this user may not serve requests as a host'],
    )
  })
})

describe('certificates of NATS', () => {
  it('are looked at, those of the servers and that of this process', limit, async () => {
    await using nats = await startNatsNodes(1)
    await using certificates = await makeCertificates()
    const config = configOf({
      NATS_URL: nats.url('actors'),
      TROUPE_NATS_CA: nats.ca,
      TROUPE_NATS_CERT: certificates.cert,
      TROUPE_NATS_KEY: certificates.key,
      DATABASE_URL: 'postgres://x/y',
    })
    const found = async (days: number): Promise<string[]> =>
      of(await examineNats(config, Date.now() + days * dayMs), 'NATS certificate').map((text) =>
        text.replace(/127\.0\.0\.1:\d+/, 'the server'),
      )
    // They are made for two days.
    assert.deepEqual(await found(0), [
      'warning: that of the server expires in 1 days',
      'warning: that of this process expires in 1 days',
    ])
    assert.deepEqual(await found(-20), [
      'ok: that of the server is valid for 21 days',
      'ok: that of this process is valid for 21 days',
    ])
    assert.deepEqual(await found(4), [
      'problem: that of the server expired 3 days ago',
      'problem: that of this process expired 3 days ago',
    ])
  })

  it('are not looked for where the server speaks no TLS', limit, async () => {
    await using server = await natsServer()
    const findings = await examineNats(configOf({ NATS_URL: server.url, DATABASE_URL: 'postgres://x/y' }))
    assert.deepEqual(of(findings, 'NATS certificate'), [])
  })
})

describe('the way from outside', () => {
  const versions = JSON.stringify({ versions: ['v1.19'] })

  it('is well where the public URL answers as a Matrix server', limit, async () => {
    await using proxy = await serving((_request, response) => {
      response.setHeader('access-control-allow-origin', '*')
      response.end(versions)
    })
    const config = configOf({ TROUPE_PUBLIC_URL: proxy.url, TROUPE_LISTEN: '127.0.0.1:1' })
    assert.deepEqual(of(await examineNetwork(config, 0), 'public URL'), [
      `ok: ${proxy.url} answers as a Matrix server`,
    ])
  })

  it('is a problem where a proxy answers with something else, or loses headers', limit, async () => {
    await using other = await serving((_request, response) => void response.end('<html>'))
    await using doubled = await serving((_request, response) => {
      response.setHeader('access-control-allow-origin', '*, *')
      response.end(versions)
    })
    for (const { url } of [other, doubled]) {
      const config = configOf({ TROUPE_PUBLIC_URL: url, TROUPE_LISTEN: '127.0.0.1:1' })
      assert.match(of(await examineNetwork(config, 0), 'public URL')[0] ?? '', /^problem: /)
    }
  })

  it(
    'is a problem where the certificate is not trusted, and a warning where it ends soon',
    limit,
    async () => {
      await using certificates = await makeCertificates()
      const tls = { cert: readFileSync(certificates.cert), key: readFileSync(certificates.key) }
      const server = createTlsServer(tls, (_request, response) => response.end(versions)).listen(
        0,
        '127.0.0.1',
      )
      await using _server = server
      await once(server, 'listening')
      const address = server.address()
      assert.ok(address !== null && typeof address === 'object')
      const config = configOf({
        TROUPE_PUBLIC_URL: `https://127.0.0.1:${address.port}`,
        TROUPE_LISTEN: '127.0.0.1:1',
      })
      const findings = await examineNetwork(config, Date.now())
      server.closeAllConnections()
      assert.match(
        of(findings, 'public URL')[0] ?? '',
        /^problem: .* does not answer: .*(certificate|signature)/,
      )
      assert.match(of(findings, 'certificate')[0] ?? '', /^warning: that of 127\.0\.0\.1 expires in 1 days$/)
    },
  )

  it('has certificates that are valid, end soon, or have ended', () => {
    const verdicts = [90, 5, -1].map((days) => certificateFinding('x', days * dayMs + 1, 0).verdict)
    assert.deepEqual(verdicts, ['ok', 'warning', 'problem'])
  })

  it('is looked for in the well-known document of the server’s name, too', limit, async () => {
    // No resolver takes a part of more than 63 characters to the network.
    const serverName = `${'a'.repeat(64)}.example`
    const config = configOf({
      TROUPE_SERVER_NAME: serverName,
      TROUPE_PUBLIC_URL: 'http://127.0.0.1:1',
      TROUPE_LISTEN: '127.0.0.1:1',
    })
    const [found = ''] = of(await examineNetwork(config, 0), 'well-known')
    assert.ok(
      found.startsWith(`problem: https://${serverName}/.well-known/matrix/client does not answer: `),
      found,
    )
  })
})

describe('the cluster', () => {
  const host: HostView = {
    id: '1',
    name: 'one',
    version: programVersion(),
    roles: ['actors'],
    state: 'alive',
    condition: 'able',
    lease_age_ms: 1,
    shards: 1,
    weight: 1,
    answer: 'answered',
  }
  const shard = { shard: 0, epoch: 1, head: 0, owner: '1', owner_name: 'one', alive: true, load: null }
  const view: ClusterView = { server_name: 'x', incarnation: 1, hosts: [host], shards: [shard], moves: [] }
  const config = configOf({ NATS_URL: 'nats://x', DATABASE_URL: 'postgres://x/y' })

  it('is well with living owners of one version', () => {
    assert.ok(examineCluster(view, config).every(({ verdict }) => verdict === 'ok'))
  })

  it('is not with shards without owner, silent hosts, several versions, or names that are given twice', () => {
    const found = (changed: Partial<ClusterView>): string[] =>
      examineCluster({ ...view, ...changed }, config)
        .filter(({ verdict }) => verdict !== 'ok')
        .map(({ verdict, what }) => `${verdict}: ${what}`)
    assert.deepEqual(found({ shards: [{ ...shard, alive: false }] }), [
      'problem: 1 shards have no living owner: 0',
    ])
    assert.deepEqual(found({ hosts: [{ ...host, answer: 'silent' }] }), [
      'problem: does not answer over the bus: one',
    ])
    const older = { ...host, id: '2', name: 'two', version: '0.0.1' }
    assert.match(
      found({ hosts: [host, older] }).join(),
      /^warning: several versions run: one .*, two 0\.0\.1$/,
    )
    assert.deepEqual(found({ hosts: [host, { ...host, id: '2' }] }), [
      'warning: several processes are called one',
    ])
  })
})

it('bytes are told in the unit that fits', () => {
  assert.deepEqual([12, 2048, 1.5 * 1024 ** 3, 300 * 1024 ** 2].map(bytesInWords), [
    '12 bytes',
    '2.0 KiB',
    '1.5 GiB',
    '300 MiB',
  ])
})

/** A server's database as the last version left it that knew neither weights nor conditions of hosts. */
async function databaseOfVersionBefore(): Promise<TestDatabase> {
  const database = await testDatabase({ migrated: false })
  const { sql } = database.database.control
  await sql`
    create table migration (id integer primary key, name text not null, breaking boolean not null,
      applied_at timestamptz not null default now())`
  for (const migration of (await readMigrations()).filter(({ id }) => id <= 7)) {
    await sql.unsafe(migration.sql).simple()
    await sql`
      insert into migration (id, name, breaking) values (${migration.id}, ${migration.name}, ${migration.breaking})`
  }
  await initialise(database.database, { serverName: 'example.org', shardCount: 64 })
  return database
}

async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'troupe-doctor-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
