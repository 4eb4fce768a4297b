/** Disks that are full: that of the media, and that of the log. */

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { register, type MatrixUser } from '../support/matrix.ts'
import { startTroupe } from '../support/process.ts'
import { SmallDisk, smallDiskMissing } from '../support/small-disk.ts'
import { testDatabase } from '../support/postgres.ts'

const upload = '/_matrix/media/v3/upload'
const kibibyte = 1024
const requests = 60

interface Refusal {
  readonly errcode: string
  readonly error: string
}

function put(user: MatrixUser, size: number): Promise<Response> {
  return fetch(`${user.url}${upload}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${user.token}`, 'content-type': 'image/png' },
    body: Buffer.alloc(size, size % 251),
    signal: AbortSignal.timeout(10_000),
  })
}

test(
  'while the disk of the media is full uploads are refused with 507 and nothing of them stays; messages go on, and so do uploads when there is space again',
  { timeout: 60_000, skip: smallDiskMissing() ?? false },
  async () => {
    await using database = await testDatabase({ initialised: false })
    await using disk = await SmallDisk.mount(4)
    const folder = join(disk.directory, 'media')
    await using server = await startTroupe({
      env: { DATABASE_URL: database.url, TROUPE_DATA_DIR: disk.directory },
    })
    const alice = await register(server.url, 'alice')
    const roomId = await alice.createRoom()
    const kept = await put(alice, 5 * kibibyte)
    assert.equal(kept.status, 200)
    const { content_uri: uri } = (await kept.json()) as { content_uri: string }

    await disk.fill()
    const refused = await put(alice, 300 * kibibyte)
    assert.equal(refused.status, 507)
    const refusal = (await refused.json()) as Refusal
    assert.equal(refusal.errcode, 'M_UNKNOWN')
    assert.match(refusal.error, /no space left/)
    assert.match(server.output(), /no space left/i)
    assert.deepEqual(await readdir(join(folder, 'incoming')), [])
    await alice.text(roomId, 'messages need no media')
    const path = `/_matrix/client/v1/media/download/${uri.replace('mxc://', '')}`
    const again = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${alice.token}` } })
    assert.equal((await again.bytes()).length, 5 * kibibyte)

    await disk.free()
    assert.equal((await put(alice, 300 * kibibyte)).status, 200)
  },
)

test(
  'a server whose log cannot be written starts, serves and ends as it should',
  { timeout: 60_000 },
  async () => {
    await using database = await testDatabase({ initialised: false })
    const env = { DATABASE_URL: database.url, TROUPE_LOG_LEVEL: 'debug' }
    await using server = await startTroupe({ outputFile: '/dev/full', env })
    const alice = await register(server.url, 'alice')
    await alice.text(await alice.createRoom(), 'nobody reads the log')
    assert.equal(await server.stop(), 0)
  },
)

test(
  'a log whose disk was full is written again when there is space',
  { timeout: 60_000, skip: smallDiskMissing() ?? false },
  async () => {
    await using database = await testDatabase({ initialised: false })
    await using disk = await SmallDisk.mount(1)
    const outputFile = join(disk.directory, 'log')
    const env = { DATABASE_URL: database.url, TROUPE_LOG_LEVEL: 'debug' }
    await using server = await startTroupe({ outputFile, env })
    const alice = await register(server.url, 'alice')
    const roomId = await alice.createRoom()
    await disk.fill()
    // More than the rest of the page that was begun.
    for (let n = 0; n < requests; n++) await alice.text(roomId, 'there is no space')
    await disk.free()
    await alice.text(roomId, 'there is space again')
    assert.equal(await server.stop(), 0)
    const lines = (await readFile(outputFile, 'utf8')).split('\n')
    assert.ok(lines.some((line) => line.includes('/send/') && line.includes('"status":200')))
  },
)
