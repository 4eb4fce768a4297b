/** What an account has had acknowledged is there after the process was killed the moment after: not messages, but everything else. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { deviceKeys, makeIdentity, makeKey } from '../support/e2ee-keys.ts'
import { register, type MatrixUser } from '../support/matrix.ts'
import { testDatabase } from '../support/postgres.ts'
import { freePort, startTroupe } from '../support/process.ts'

const client = '/_matrix/client/v3'

/** Something that is stored, and how it is read. */
interface Deed {
  readonly what: string
  readonly store: () => Promise<unknown>
  readonly read: () => Promise<unknown>
  readonly expected: unknown
}

function deedsOf(alice: MatrixUser, bob: MatrixUser, room: { id: string; eventId: string }): Deed[] {
  const { userId, deviceId } = alice
  const path = encodeURIComponent(userId)
  const keys = deviceKeys(userId, deviceId, makeKey())
  const identity = makeIdentity(userId)
  const backed = {
    first_message_index: 1,
    forwarded_count: 0,
    is_verified: true,
    session_data: { ciphertext: 'x' },
  }
  let version = ''
  const backup = (): string => `${client}/room_keys/keys/${encodeURIComponent(room.id)}/s?version=${version}`
  const ask = { device_keys: { [userId]: [] } }
  const inbox = async (): Promise<unknown> =>
    (await alice.sync()).to_device?.events.map(({ content }) => content)
  return [
    {
      what: 'account data',
      store: () => alice.ok('PUT', `${client}/user/${path}/account_data/a.b`, { value: 1 }),
      read: () => alice.ok('GET', `${client}/user/${path}/account_data/a.b`),
      expected: { value: 1 },
    },
    {
      what: 'a tag of a room',
      store: () => alice.ok('PUT', `${client}/user/${path}/rooms/${room.id}/tags/u.x`, { order: 0.5 }),
      read: () => alice.ok('GET', `${client}/user/${path}/rooms/${room.id}/tags`),
      expected: { tags: { 'u.x': { order: 0.5 } } },
    },
    {
      what: 'a name',
      store: () => alice.ok('PUT', `${client}/profile/${path}/displayname`, { displayname: 'Alice' }),
      read: () => alice.ok('GET', `${client}/profile/${path}/displayname`),
      expected: { displayname: 'Alice' },
    },
    {
      what: 'device keys',
      store: () => alice.ok('POST', `${client}/keys/upload`, { device_keys: keys }),
      read: async () => {
        const { device_keys: found } = await bob.ok<{
          device_keys: Record<string, Record<string, { keys: unknown }>>
        }>('POST', `${client}/keys/query`, ask)
        return found[userId]?.[deviceId]?.keys
      },
      expected: keys['keys'],
    },
    {
      what: 'one-time keys',
      store: () =>
        alice.ok('POST', `${client}/keys/upload`, {
          one_time_keys: Object.fromEntries(
            Array.from({ length: 7 }, (_, n) => [`signed_curve25519:K${n}`, { key: `key${n}` }]),
          ),
        }),
      read: () => alice.ok('POST', `${client}/keys/upload`, {}),
      expected: { one_time_key_counts: { signed_curve25519: 7 } },
    },
    {
      what: 'cross-signing keys',
      store: () => alice.ok('POST', `${client}/keys/device_signing/upload`, identity.upload),
      read: async () => {
        const { master_keys: found } = await bob.ok<{ master_keys: Record<string, { keys: unknown }> }>(
          'POST',
          `${client}/keys/query`,
          ask,
        )
        return found[userId]?.keys
      },
      expected: (identity.upload['master_key'] as { keys: unknown }).keys,
    },
    {
      what: 'a key backup',
      store: async () => {
        const body = { algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2', auth_data: { public_key: 'p' } }
        ;({ version } = await alice.ok<{ version: string }>('POST', `${client}/room_keys/version`, body))
        await alice.ok('PUT', backup(), backed)
      },
      read: () => alice.ok('GET', backup()),
      expected: backed,
    },
    {
      what: 'a message to a device',
      store: () =>
        bob.ok('PUT', `${client}/sendToDevice/a.message/${bob.nextTxn()}`, {
          messages: { [userId]: { [deviceId]: { n: 1 } } },
        }),
      read: inbox,
      expected: [{ n: 1 }],
    },
    {
      what: 'a receipt',
      store: () => alice.ok('POST', `${client}/rooms/${room.id}/receipt/m.read/${room.eventId}`, {}),
      read: async () =>
        (await alice.sync()).rooms?.join?.[room.id]?.ephemeral?.events
          .filter(({ type }) => type === 'm.receipt')
          .flatMap(({ content }) => Object.keys(content)),
      expected: [room.eventId],
    },
  ]
}

test(
  'what an account stores is there when the process is killed the moment after its answer: data, tags, name, keys, backup, messages to devices, receipts',
  { timeout: 90_000 },
  async () => {
    await using stack = new AsyncDisposableStack()
    const dataDir = await mkdtemp(join(tmpdir(), 'troupe-kept-'))
    stack.defer(() => rm(dataDir, { recursive: true, force: true }))
    const { url } = stack.use(await testDatabase({ initialised: false }))
    const port = await freePort()
    const start = () => startTroupe({ port, env: { DATABASE_URL: url, TROUPE_DATA_DIR: dataDir } })
    let server = await start()
    stack.defer(() => server[Symbol.asyncDispose]())
    const alice = await register(server.url, 'alice')
    const bob = await register(server.url, 'bob')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    const room = { id: roomId, eventId: await bob.text(roomId, 'read this') }
    const deeds = deedsOf(alice, bob, room)
    for (const { what, store, read, expected } of deeds) {
      await store()
      await server.kill()
      server = await start()
      assert.deepEqual(await read(), expected, what)
    }
    // And all of it at the end.
    for (const { what, read, expected } of deeds) assert.deepEqual(await read(), expected, what)
  },
)
