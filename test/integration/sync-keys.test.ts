/** What a user's own devices are told of keys: whom he has signed, and how many one-time keys are left. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { objectField, type JsonObject } from '#protocol/json/types.ts'
import { parseSyncToken } from '#protocol/tokens/sync-token.ts'
import { deviceListsBetween, type DeviceLists } from '#storage/sync/device-lists.ts'
import { makeIdentity, signedBy } from '../support/e2ee-keys.ts'
import {
  deafFeed,
  reading,
  type Response,
  syncOf,
  SyncWorld,
  type SyncingPerson,
} from '../support/sync-world.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import { SyncHost } from '#actors/user/sync/host.ts'

let world: SyncWorld
let ann: SyncingPerson
let ben: SyncingPerson

before(async () => {
  world = await SyncWorld.open()
  ann = await world.person('ann')
  ben = await world.person('ben')
})
after(() => world[Symbol.asyncDispose]())

type Identity = ReturnType<typeof makeIdentity>

async function uploadIdentity(person: SyncingPerson): Promise<Identity> {
  const identity = makeIdentity(person.userId)
  const part = (name: string): JsonObject => objectField(identity.upload, name) ?? {}
  await world.ask.ask('user', person.userId, 'uploadCrossSigning', {
    master: part('master_key'),
    selfSigning: part('self_signing_key'),
    userSigning: part('user_signing_key'),
  })
  await world.ask.ask('user', person.userId, 'spread', {})
  return identity
}

/** Ann signs Ben's master key with her user-signing key, as clients do after a verification. */
async function annSignsBen(own: Identity, his: Identity): Promise<void> {
  const { userSigning } = own
  const key = objectField(his.upload, 'master_key') ?? {}
  const signer = { userId: ann.userId, keyId: `ed25519:${userSigning.publicKey}`, key: userSigning }
  const { failures } = await world.ask.ask('user', ann.userId, 'uploadSignatures', {
    signatures: { [ben.userId]: { [his.master.publicKey]: signedBy(key, signer) } },
  })
  assert.deepEqual(failures, {})
}

async function between(person: SyncingPerson, from: Response, to: Response): Promise<DeviceLists> {
  const [start, end] = [parseSyncToken(from.next_batch), parseSyncToken(to.next_batch)]
  assert.ok(start && end)
  return deviceListsBetween(world.database.reads, person.userId, {
    from: start.positions,
    to: end.positions,
  })
}

describe('a signature over the master key of somebody else', () => {
  it('makes his keys changed for the own devices, however they learn of it, and for nobody else', async () => {
    const [host] = world.hosts
    assert.ok(host)
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const [own, his] = [await uploadIdentity(ann), await uploadIdentity(ben)]
    const [start, startOfBen] = [await ann.sync(), await ben.sync()]
    const waiting = ann.sync({ since: start.next_batch, timeoutMs: 10_000 })
    await annSignsBen(own, his)
    const told = await waiting
    const wanted = { changed: [ben.userId], left: [] }
    assert.deepEqual(told.device_lists, wanted)
    assert.deepEqual((await ann.sync({ since: start.next_batch })).device_lists, wanted)
    const { reads } = world.database
    using syncing = new SyncHost({ feed: deafFeed(host.feed), reads, clock: systemClock })
    const anew = reading(syncing, reads, ann.userId)
    assert.deepEqual((await syncOf(anew, { since: start.next_batch })).device_lists, wanted)
    anew.dispose()
    assert.deepEqual(await between(ann, start, told), wanted)
    const later = await ann.sync({ since: told.next_batch })
    assert.equal(later.device_lists, undefined)
    const ofBen = await ben.sync({ since: startOfBen.next_batch })
    assert.equal(ofBen.device_lists, undefined)
    assert.deepEqual(await between(ben, startOfBen, ofBen), { changed: [], left: [] })
  })

  it('stands beside a change of the own keys and hides it no more than it is hidden', async () => {
    const [own, his] = [await uploadIdentity(ann), await uploadIdentity(ben)]
    const start = await ann.sync()
    await annSignsBen(own, his)
    await uploadIdentity(ann)
    const both = [ann.userId, ben.userId]
    const told = await ann.sync({ since: start.next_batch })
    assert.deepEqual(told.device_lists.changed.sort(), both)
    assert.deepEqual([...(await between(ann, start, told)).changed].sort(), both)
  })
})

describe('the number of one-time keys', () => {
  it('is told to a waiting client as soon as keys are uploaded or claimed', async () => {
    const start = await ann.sync()
    const first = ann.sync({ since: start.next_batch, timeoutMs: 20_000 })
    const startedAt = performance.now()
    await world.ask.ask('user', ann.userId, 'uploadKeys', {
      deviceId: 'DEV',
      oneTimeKeys: { 'signed_curve25519:A': { key: 'a' }, 'signed_curve25519:B': { key: 'b' } },
    })
    const uploaded = await first
    assert.deepEqual(uploaded.device_one_time_keys_count, { signed_curve25519: 2 })
    const second = ann.sync({ since: uploaded.next_batch, timeoutMs: 20_000 })
    await world.ask.ask('user', ann.userId, 'claimKeys', {
      claims: { DEV: 'signed_curve25519' },
      claimKey: 'one',
    })
    assert.deepEqual((await second).device_one_time_keys_count, { signed_curve25519: 1 })
    assert.ok(performance.now() - startedAt < 10_000, 'it waited for the time to be over')
  })
})
