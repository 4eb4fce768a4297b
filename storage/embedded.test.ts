import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { openSql, type Sql, type SocketAddress } from './connection.ts'
import { DataDirectoryUnusable, makeDataDirectory } from './data-directory.ts'
import { DataDirectoryInUse, startEmbedded } from './embedded.ts'

const limit = { timeout: 60_000 }
/** Starts in a row, before it is taken for something that lasts. */
const triesAtOnce = 20

async function temporaryDirectory(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'embedded-'))
  // As a data directory usually is: others may pass through its parents.
  await chmod(path, 0o755)
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  }
}

function client(address: SocketAddress): Sql & AsyncDisposable {
  const options = {
    url: address,
    reads: 1,
    statementTimeoutMs: 5000,
    lockTimeoutMs: 5000,
    idleInTransactionMs: 5000,
    applicationName: 'test',
  }
  const sql = openSql(options, { purpose: 'embedded', max: 1 })
  return Object.assign(sql, { [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) })
}

async function serverPid(dataDirectory: string): Promise<number> {
  return Number((await readFile(join(dataDirectory, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
}

/** How often the server has been started in vain. */
async function failedStarts(dataDirectory: string): Promise<number> {
  return (await readFile(join(dataDirectory, 'postgres.log'), 'utf8')).split('pg_control').length - 1
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** A process of its own that starts the server there and says so. */
async function ownerProcess(dataDirectory: string): Promise<AsyncDisposable & { kill(): Promise<void> }> {
  const script = `
    import { startEmbedded } from '${fileURLToPath(new URL('./embedded.ts', import.meta.url))}'
    await startEmbedded({ dataDirectory: ${JSON.stringify(dataDirectory)} })
    console.log('ready')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  return { kill, [Symbol.asyncDispose]: kill }
}

/** Waits for what happens in the background; bounded by the test's limit. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await attempt()
    } catch (error) {
      if (i >= 500) throw error
      await delay(20)
    }
  }
}

test('a stopped server starts again with its data, and leaves no process behind', limit, async () => {
  await using directory = await temporaryDirectory()
  const said: string[] = []
  const start = () => startEmbedded({ dataDirectory: directory.path, onProgress: (text) => said.push(text) })
  let pid = 0
  {
    await using server = await start()
    await using sql = client(server.address)
    await sql`create table kept (n integer)`
    await sql`insert into kept values (7)`
    pid = await serverPid(directory.path)
  }
  assert.equal(isAlive(pid), false)
  assert.deepEqual(said, ['Creating the database.'])
  await using again = await start()
  await using sql = client(again.address)
  assert.equal((await sql`select n from kept`)[0]?.['n'], 7)
  assert.equal(said.length, 1)
})

test(
  'the server is safe to rely on and cannot be reached over the network or by other users',
  limit,
  async () => {
    await using directory = await temporaryDirectory()
    await using server = await startEmbedded({ dataDirectory: directory.path })
    await using sql = client(server.address)
    const [row] =
      await sql`select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous,
    current_setting('listen_addresses') as addresses, current_setting('server_encoding') as encoding`
    assert.deepEqual({ ...row }, { fsync: 'on', synchronous: 'on', addresses: '', encoding: 'UTF8' })
    assert.equal((await stat(server.address.host)).mode & 0o777, 0o700)
    assert.equal((await stat(join(directory.path, 'postgres'))).mode & 0o077, 0)
  },
)

test(
  'a second process on the same data directory is refused with the number of the first',
  limit,
  async () => {
    await using directory = await temporaryDirectory()
    await using server = await startEmbedded({ dataDirectory: directory.path })
    await assert.rejects(startEmbedded({ dataDirectory: directory.path }), (error) => {
      assert(error instanceof DataDirectoryInUse)
      assert.match(error.message, new RegExp(`in use by another Troupe \\(process ${process.pid}\\)`))
      return true
    })
    await using sql = client(server.address)
    assert.equal((await sql`select 1 as n`)[0]?.['n'], 1, 'the first goes on')
  },
)

test('a server whose owner was killed goes on and is adopted by the next one', limit, async () => {
  await using directory = await temporaryDirectory()
  await using owner = await ownerProcess(directory.path)
  const pid = await serverPid(directory.path)
  await owner.kill()
  assert.equal(isAlive(pid), true)
  {
    await using server = await startEmbedded({ dataDirectory: directory.path })
    assert.equal(await serverPid(directory.path), pid)
    await using sql = client(server.address)
    assert.equal((await sql`select 1 as n`)[0]?.['n'], 1)
  }
  // Whoever inherited the process may not have taken note of its end yet; its own last act was to remove this file.
  await assert.rejects(serverPid(directory.path), { code: 'ENOENT' })
})

test(
  'a server that is killed comes back while its owner runs, with everything committed',
  limit,
  async () => {
    await using directory = await temporaryDirectory()
    await using server = await startEmbedded({ dataDirectory: directory.path })
    await using sql = client(server.address)
    await sql`create table kept (n integer)`
    const pid = await serverPid(directory.path)
    process.kill(pid, 'SIGKILL')
    const rows = await eventually(async () => {
      assert.notEqual(await serverPid(directory.path), pid)
      return sql`select count(*) as n from kept`
    })
    assert.equal(rows[0]?.['n'], 0)
    await eventually(async () =>
      assert.rejects(startEmbedded({ dataDirectory: directory.path }), { name: 'DataDirectoryInUse' }),
    )
  },
)

test('whoever ends while his server is coming back leaves none behind', limit, async () => {
  for (const ms of [10, 60, 150, 400]) {
    await using directory = await temporaryDirectory()
    {
      await using _server = await startEmbedded({ dataDirectory: directory.path })
      process.kill(await serverPid(directory.path), 'SIGKILL')
      await delay(ms)
    }
    await delay(1000)
    const pid = await serverPid(directory.path).catch(() => undefined)
    assert.ok(pid === undefined || !isAlive(pid), `after ${ms} ms a server is left`)
  }
})

test(
  'whoever is cut while his server starts is not kept waiting, and leaves none behind',
  limit,
  async () => {
    await using directory = await temporaryDirectory()
    {
      await using _made = await startEmbedded({ dataDirectory: directory.path })
    }
    // What keeps it from starting: a file that every start needs is away.
    const needed = join(directory.path, 'postgres', 'global', 'pg_control')
    await rename(needed, `${needed}.away`)
    const cut = new AbortController()
    const starting = startEmbedded({ dataDirectory: directory.path, cut: cut.signal })
    const refused = assert.rejects(starting, /not waited for any longer/)
    await eventually(async () => assert.ok((await failedStarts(directory.path)) > 0))
    cut.abort()
    await refused
    await rename(`${needed}.away`, needed)
    await delay(500)
    const pid = await serverPid(directory.path).catch(() => undefined)
    assert.ok(pid === undefined || !isAlive(pid), 'a server is left')
  },
)

test(
  'a server that has died and cannot start, for its disk is full, comes back when it can, while its owner runs',
  limit,
  async () => {
    await using directory = await temporaryDirectory()
    await using server = await startEmbedded({ dataDirectory: directory.path })
    await using sql = client(server.address)
    await sql`create table kept (n integer)`
    // What keeps it from starting: a file that every start needs is away.
    const needed = join(directory.path, 'postgres', 'global', 'pg_control')
    await rename(needed, `${needed}.away`)
    const pid = await serverPid(directory.path)
    process.kill(pid, 'SIGKILL')
    await eventually(async () => assert.ok((await failedStarts(directory.path)) >= triesAtOnce))
    await delay(500)
    await rename(`${needed}.away`, needed)
    const rows = await eventually(() => sql`select count(*) as n from kept`)
    assert.equal(rows[0]?.['n'], 0)
  },
)

test(
  'a pid file whose number now belongs to another process does not keep the server from starting',
  limit,
  async () => {
    await using directory = await temporaryDirectory()
    {
      await using first = await startEmbedded({ dataDirectory: directory.path })
      assert(first.address.host)
    }
    const path = join(directory.path, 'postgres', 'postmaster.pid')
    const lines = [
      process.pid,
      join(directory.path, 'postgres'),
      1700000000,
      5432,
      '/nowhere',
      '',
      '  1 1',
      'ready',
    ]
    await writeFile(path, `${lines.join('\n')}\n`)
    const { uid, gid } = await stat(join(directory.path, 'postgres'))
    await chown(path, uid, gid)
    await using server = await startEmbedded({ dataDirectory: directory.path })
    await using sql = client(server.address)
    assert.equal((await sql`select 1 as n`)[0]?.['n'], 1)
  },
)

test('a data directory with a long path has its socket elsewhere', limit, async () => {
  await using directory = await temporaryDirectory()
  const dataDirectory = join(directory.path, 'x'.repeat(90), 'data')
  await using server = await startEmbedded({ dataDirectory })
  assert.equal(dirname(server.address.host), tmpdir())
  await using sql = client(server.address)
  assert.equal((await sql`select 1 as n`)[0]?.['n'], 1)
  await rm(server.address.host, { recursive: true, force: true })
})

const asRoot = process.getuid?.() === 0 ? {} : { skip: 'only root runs the server as another user' }

test(
  'a data directory that the server’s user cannot reach is a link to one that he can',
  { ...limit, ...asRoot },
  async () => {
    await using directory = await temporaryDirectory()
    const closed = join(directory.path, randomBytes(4).toString('hex'))
    await mkdir(closed, { mode: 0o700 })
    const dataDirectory = join(closed, 'data')
    {
      await using server = await startEmbedded({ dataDirectory })
      await using sql = client(server.address)
      assert.equal((await sql`select 1 as n`)[0]?.['n'], 1)
    }
    const place = await readlink(join(dataDirectory, 'postgres'))
    try {
      await using server = await startEmbedded({ dataDirectory })
      assert.match(place, /^\/var\/lib\/troupe\//)
      assert.equal(server.address.host, `${place}.socket`)
    } finally {
      await rm(dirname(place), { recursive: true, force: true })
    }
  },
)

test('a path that cannot be a directory is named in one sentence', limit, async () => {
  const file = fileURLToPath(import.meta.url)
  const cases = [
    { path: file, code: 'EEXIST' },
    { path: join(file, 'data'), code: 'ENOTDIR' },
    { path: join('/proc', 'data'), code: 'ENOENT' },
    { path: join('/proc', 'a', 'data'), code: 'ENOENT' },
  ]
  for (const { path, code } of cases) {
    await assert.rejects(startEmbedded({ dataDirectory: path }), (error: Error) => {
      assert.ok(error instanceof DataDirectoryUnusable)
      assert.ok(
        error.message.startsWith(`The data directory ${path} cannot be used (${code}): `),
        error.message,
      )
      assert.match(error.message, /TROUPE_DATA_DIR/)
      return true
    })
  }
})

test('a data directory deep below what exists is made, and one that is there is taken', limit, async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'a', 'b', 'data')
  await makeDataDirectory(path, 0o700)
  await makeDataDirectory(path, 0o700)
  assert.equal((await stat(path)).mode & 0o777, 0o700)
})
