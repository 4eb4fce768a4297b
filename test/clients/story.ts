/** The main job, told once and run on every arrangement of processes: two people talk, end-to-end encrypted. */

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventType, KnownMembership, MsgType, Preset, RelationType, RoomMemberEvent } from 'matrix-js-sdk'
import {
  CryptoEvent,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  VerifierEvent,
  type Verifier,
} from 'matrix-js-sdk/lib/crypto-api/index.js'
import { bodies, type Person, roomOf, startPerson, timeline, until, within } from './person.ts'

const password = 'correct horse battery'

/** Cross-signing, secret storage and a key backup, as an app does for a new account. */
async function setUpEncryption(person: Person): Promise<void> {
  const crypto = person.client.getCrypto()
  assert.ok(crypto !== undefined)
  await crypto.bootstrapCrossSigning({
    authUploadDeviceSigningKeys: async (makeRequest) => {
      await makeRequest({
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: person.session.userId },
        password,
      } as never)
    },
  })
  await crypto.bootstrapSecretStorage({
    createSecretStorageKey: () => crypto.createRecoveryKeyFromPassphrase(),
    setupNewSecretStorage: true,
    setupNewKeyBackup: true,
  })
  assert.ok(await crypto.isCrossSigningReady(), `${person.name} is cross-signed`)
}

async function makeEncryptedRoom(alice: Person, bob: Person): Promise<string> {
  const { room_id: roomId } = await alice.client.createRoom({
    preset: Preset.PrivateChat,
    name: 'Story',
    invite: [bob.session.userId],
    initial_state: [
      { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
    ],
  })
  await until(
    bob,
    'an invite',
    () => bob.client.getRoom(roomId)?.getMyMembership() === KnownMembership.Invite,
  )
  await bob.client.joinRoom(roomId)
  await until(alice, 'Bob in the room', () => {
    const room = alice.client.getRoom(roomId)
    return room?.getMember(bob.session.userId)?.membership === KnownMembership.Join
  })
  await until(bob, 'the room joined', () => bob.client.getRoom(roomId)?.hasEncryptionStateEvent() === true)
  return roomId
}

async function talk(from: Person, to: Person, roomId: string): Promise<string[]> {
  const sent: string[] = []
  for (let i = 1; i <= 20; i++) {
    const body = `${from.name} says ${i}`
    await from.client.sendTextMessage(roomId, body)
    sent.push(body)
  }
  await until(
    to,
    `twenty messages of ${from.name}`,
    () => {
      const seen = bodies(to, roomId).filter((body) => body.startsWith(`${from.name} says`))
      return seen.length >= 20
    },
    40_000,
  )
  const seen = bodies(to, roomId).filter((body) => body.startsWith(`${from.name} says`))
  assert.deepEqual(seen, sent, `${to.name} decrypts every message of ${from.name} once and in order`)
  return sent
}

async function reactEditRedactThread(alice: Person, bob: Person, roomId: string): Promise<void> {
  const { event_id: first } = await alice.client.sendTextMessage(roomId, 'first draft')
  await until(bob, 'the draft', () => bodies(bob, roomId).includes('first draft'))
  await bob.client.sendEvent(roomId, EventType.Reaction, {
    'm.relates_to': { rel_type: RelationType.Annotation, event_id: first, key: '👍' },
  })
  await until(alice, 'the reaction', () =>
    timeline(alice, roomId).some(
      (event) => event.getRelation()?.key === '👍' && event.getRelation()?.event_id === first,
    ),
  )
  await alice.client.sendMessage(roomId, {
    msgtype: MsgType.Text,
    body: '* final text',
    'm.new_content': { msgtype: MsgType.Text, body: 'final text' },
    'm.relates_to': { rel_type: RelationType.Replace, event_id: first },
  } as never)
  await until(
    bob,
    'the edit',
    () => roomOf(bob, roomId).findEventById(first)?.getContent()['body'] === 'final text',
  )
  const { event_id: doomed } = await alice.client.sendTextMessage(roomId, 'to be taken back')
  await until(bob, 'what will be redacted', () => bodies(bob, roomId).includes('to be taken back'))
  await alice.client.redactEvent(roomId, doomed)
  await until(bob, 'the redaction', () => roomOf(bob, roomId).findEventById(doomed)?.isRedacted() === true)
  await bob.client.sendMessage(roomId, {
    msgtype: MsgType.Text,
    body: 'in a thread',
    'm.relates_to': { rel_type: RelationType.Thread, event_id: first },
  } as never)
  await until(alice, 'the thread', () =>
    timeline(alice, roomId)
      .concat(
        roomOf(alice, roomId)
          .getThreads()
          .flatMap((thread) => thread.events),
      )
      .some((event) => event.getContent()['body'] === 'in a thread'),
  )
}

async function receiptsAndTyping(alice: Person, bob: Person, roomId: string): Promise<void> {
  const typing = within(15_000, 'Bob typing as seen by Alice', (done) => {
    alice.client.on(RoomMemberEvent.Typing, (_event, member) => {
      if (member.userId === bob.session.userId && member.typing) done()
    })
  })
  await bob.client.sendTyping(roomId, true, 20_000)
  await typing
  const { event_id: last } = await alice.client.sendTextMessage(roomId, 'read this')
  await until(bob, 'the message to read', () => bodies(bob, roomId).includes('read this'))
  const event = roomOf(bob, roomId).findEventById(last)
  assert.ok(event !== undefined)
  await bob.client.sendReadReceipt(event, undefined, true)
  await until(alice, 'the read receipt', () =>
    roomOf(alice, roomId).hasUserReadEvent(bob.session.userId, last),
  )
}

/** Both sides show the same emoji and say so. Resolves when this side is done. */
async function compareEmoji(verifier: Verifier): Promise<string> {
  const shown = within<string>(20_000, 'the emoji', (done) => {
    const show = (sas: { sas: { emoji?: [string, string][] }; confirm(): Promise<void> }): void => {
      done((sas.sas.emoji ?? []).map(([picture]) => picture).join(''))
      void sas.confirm()
    }
    const callbacks = verifier.getShowSasCallbacks()
    if (callbacks !== null) show(callbacks as never)
    else verifier.on(VerifierEvent.ShowSas, show as never)
  })
  await verifier.verify()
  return shown
}

async function readyVerifier(request: VerificationRequest): Promise<Verifier> {
  return within(20_000, 'the other side to start verification', (done) => {
    const look = (): void => {
      if (request.verifier !== undefined) done(request.verifier)
    }
    request.on(VerificationRequestEvent.Change, look)
    look()
  })
}

async function verifyByEmoji(old: Person, fresh: Person): Promise<void> {
  const incoming = within<VerificationRequest>(20_000, 'a verification request at the old device', (done) => {
    old.client.on(CryptoEvent.VerificationRequestReceived, done)
  })
  const crypto = fresh.client.getCrypto()
  assert.ok(crypto !== undefined)
  const request = await crypto.requestOwnUserVerification()
  const received = await incoming
  await received.accept()
  await within(20_000, 'the request to be ready', (done) => {
    const look = (): void => {
      if (request.phase === VerificationPhase.Ready) done()
    }
    request.on(VerificationRequestEvent.Change, look)
    look()
  })
  const mine = await request.startVerification('m.sas.v1')
  const [a, b] = await Promise.all([
    compareEmoji(mine),
    readyVerifier(received).then((verifier) => compareEmoji(verifier)),
  ])
  assert.equal(a, b, 'both devices show the same emoji')
  assert.notEqual(a, '')
  await eventually('the new device to be cross-signed', async () => {
    const status = await crypto.getDeviceVerificationStatus(fresh.session.userId, fresh.session.deviceId)
    return status?.crossSigningVerified === true
  })
}

/** The new device restores the history that it never received keys for. */
async function restoreHistory(
  old: Person,
  fresh: Person,
  roomId: string,
  expected: readonly string[],
): Promise<void> {
  for (const [id, key] of old.secrets) fresh.secrets.set(id, key)
  const crypto = fresh.client.getCrypto()
  assert.ok(crypto !== undefined)
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage()
  await crypto.checkKeyBackupAndEnable()
  const result = await crypto.restoreKeyBackup()
  assert.ok(result.imported > 0, 'the backup holds keys')
  const room = roomOf(fresh, roomId)
  await fresh.client.scrollback(room, 200)
  await until(fresh, 'the old messages in clear', () => {
    const seen = new Set(bodies(fresh, roomId))
    return expected.every((body) => seen.has(body))
  })
}

/** Waits until the server's copy of the backup holds the session keys of both people. The library keeps its own, older idea of it. */
async function backedUp(person: Person): Promise<void> {
  await eventually('the key backup to be complete', async () => {
    const { count } = await person.session.ok<{ count: number }>(
      'GET',
      '/_matrix/client/v3/room_keys/version',
    )
    return count >= 2
  })
}

/** Asks again and again, for things that a client learns without an event that could be waited for. */
async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000
  while (!(await condition())) {
    assert.ok(performance.now() < end, `waited in vain for ${what}`)
    await sleep(100)
  }
}

export interface Stage {
  /** The gateway of each person; may be the same. */
  readonly aliceUrl: string
  readonly bobUrl: string
}

/** Runs the whole story; fails at the first thing that a person would have missed. */
export async function twoPeopleTalk(stage: Stage): Promise<void> {
  await using alice = await startPerson({ url: stage.aliceUrl, name: 'alice', password })
  await using bob = await startPerson({ url: stage.bobUrl, name: 'bob', password })
  await setUpEncryption(alice)
  await setUpEncryption(bob)
  const roomId = await makeEncryptedRoom(alice, bob)
  const fromAlice = await talk(alice, bob, roomId)
  const fromBob = await talk(bob, alice, roomId)
  await reactEditRedactThread(alice, bob, roomId)
  await receiptsAndTyping(alice, bob, roomId)
  await backedUp(alice)
  await using second = await startPerson({
    url: stage.bobUrl,
    name: 'alice-2',
    password,
    existing: alice.session.userId,
  })
  await verifyByEmoji(alice, second)
  await restoreHistory(alice, second, roomId, [...fromAlice, ...fromBob])
}
