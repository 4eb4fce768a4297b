/** What operators are told of a running server, by whom they are let in, and what they may do. */

import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import type { ClusterView } from '#gateway/admin/cluster-view.ts'
import { clusterPath } from '#gateway/admin/cluster-for-commands.ts'
import { createUserPath } from '#gateway/admin/create-user.ts'
import { runCommandLine } from '#gateway/cli/run.ts'
import { terminalOf } from '#gateway/cli/terminal.ts'
import { loadConfig } from '#gateway/config/load.ts'
import { consolePath } from '#gateway/console/endpoints.ts'
import { operatorTokenName } from '#gateway/running.ts'
import { findSecret } from '#storage/cluster/operator.ts'
import { login, type MatrixUser, register, request } from '../support/matrix.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { startTroupe, type TroupeProcess } from '../support/process.ts'

const viewPath = '/_troupe/admin/v1/cluster'
const password = 'a long enough password'

let stack: AsyncDisposableStack
let database: TestDatabase
let server: TroupeProcess
let token: string
let operator: MatrixUser
let somebody: MatrixUser

before(async () => {
  stack = new AsyncDisposableStack()
  database = stack.use(await testDatabase({ initialised: false }))
  server = stack.use(await startTroupe({ hostName: 'only', env: { DATABASE_URL: database.url } }))
  token = (await findSecret(database.database.reads, operatorTokenName)) ?? ''
  const account = { localpart: 'operator', password, admin: true }
  const made = await request(server.url, 'POST', createUserPath, account, { token })
  assert.equal(made.status, 200)
  operator = await login(server.url, '@operator:localhost', password)
  somebody = await register(server.url, 'somebody')
})
after(() => stack.disposeAsync())

describe('the cluster as JSON', () => {
  it('is for administrators alone', async () => {
    const nobody = await request(server.url, 'GET', viewPath)
    assert.deepEqual([nobody.status, nobody.body['errcode']], [401, 'M_MISSING_TOKEN'])
    const refused = await somebody.call('GET', viewPath)
    assert.deepEqual([refused.status, refused.body['errcode']], [403, 'M_FORBIDDEN'])
    assert.match(String(refused.body['error']), /^@somebody:localhost is not an administrator/)
    assert.equal((await operator.call('GET', viewPath)).status, 200)
    const wrong = await request(server.url, 'GET', clusterPath, undefined, { token: operator.token })
    assert.deepEqual([wrong.status, wrong.body['errcode']], [401, 'M_UNKNOWN_TOKEN'])
  })

  it('shows hosts, shards, moves, commits and load', async () => {
    const roomId = await somebody.createRoom()
    await somebody.text(roomId, 'hello')
    const view = await viewAfterCommits()
    assert.equal(view.server_name, 'localhost')
    const [host] = view.hosts
    assert.deepEqual(
      [view.hosts.length, host?.name, host?.roles, host?.state, host?.shards, host?.answer],
      [1, 'only', ['gateway', 'actors'], 'alive', 64, 'answered'],
    )
    assert.ok(host?.lease_age_ms !== undefined && host.lease_age_ms < 5000)
    assert.ok(host.commits !== undefined && host.commits.rows >= host.commits.count - host.commits.failed)
    assert.ok(host.commits.p99_ms >= host.commits.p50_ms && host.commits.p50_ms > 0)
    assert.ok(host.memory_bytes !== undefined && host.memory_bytes > 1024 ** 2)
    assert.equal(view.gateway?.name, 'only')
    assert.equal(view.shards.length, 64)
    assert.ok(view.shards.every(({ owner, alive, epoch }) => owner === host.id && alive && epoch === 1))
    assert.ok(view.shards.every(({ load }) => load?.state === 'serving' && load.followers === 0))
    assert.ok(view.shards.some(({ load, head }) => load !== null && load.actors > 0 && head > 0))
    assert.deepEqual(
      [...new Set(view.moves.map(({ why, from, to }) => `${why} ${from === null} ${to.name}`))],
      ['first true only'],
    )
  })

  it('is what the command shows, which asks the gateway where there is no NATS', async () => {
    const outcome = await command('status', '--json')
    assert.equal(outcome.code, 0)
    const view = JSON.parse(outcome.text) as ClusterView
    assert.equal(view.hosts[0]?.answer, 'answered')
    assert.match((await command('status')).text, /^only +alive +gateway,actors +64 /m)
  })
})

describe('draining by request', () => {
  it('is refused where nobody else could take the shards, for hosts that are not there, and for others', async () => {
    const [host] = (await viewAfterCommits()).hosts
    const path = (id: string): string => `/_troupe/admin/v1/hosts/${id}/drain`
    const last = await operator.call('POST', path(host?.id ?? ''), { draining: true })
    assert.deepEqual([last.status, last.body['error']], [403, 'Nobody else could take the shards of only.'])
    assert.equal((await operator.call('POST', path('1'), { draining: true })).status, 404)
    assert.equal((await somebody.call('POST', path(host?.id ?? ''), { draining: true })).status, 403)
    assert.equal((await operator.call('POST', path(host?.id ?? ''), {})).status, 400)
    assert.equal((await operator.call('POST', path(host?.id ?? ''), { draining: false })).status, 200)
  })
})

describe('the page', () => {
  it('is a handful of files that load nothing from elsewhere and run nothing that stands in them', async () => {
    const page = await fetch(server.url + consolePath)
    assert.equal(page.status, 200)
    const text = await page.text()
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/)
    assert.doesNotMatch(policy, /unsafe/)
    assert.doesNotMatch(text, /<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=/)
    const links = [...text.matchAll(/\b(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '')
    for (const link of links.filter((each) => each !== 'data:,')) {
      assert.ok(link.startsWith(`${consolePath}/`), link)
      const file = await fetch(server.url + link)
      assert.equal(file.status, 200, link)
      assert.match(file.headers.get('content-type') ?? '', /^text\/(css|javascript); charset=utf-8$/)
      assert.doesNotMatch(await file.text(), /https?:\/\/(?!www\.w3\.org\/2000\/svg)|innerHTML/)
    }
  })
})

/** What the last look of anybody shows may be a moment old. */
async function viewAfterCommits(): Promise<ClusterView> {
  const endMs = performance.now() + 10_000
  for (;;) {
    const view = await operator.ok<ClusterView>('GET', viewPath)
    const [host] = view.hosts
    if ((host?.commits?.count ?? 0) > 0 && view.shards.some(({ head }) => head > 0)) return view
    assert.ok(performance.now() < endMs, JSON.stringify(view.hosts))
  }
}

async function command(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly text: string }> {
  let text = ''
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  const environment = { DATABASE_URL: database.url, TROUPE_LISTEN: new URL(server.url).host }
  const code = await runCommandLine({
    args,
    terminal: terminalOf({ input: Readable.from(['']), output, errors: output }),
    config: () => loadConfig({ environment, workingDirectory: '/nonexistent', processId: 1 }),
    compose: () => Promise.reject(new Error('The test did not expect a start.')),
  })
  return { code, text }
}
