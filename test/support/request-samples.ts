/** One good request of each endpoint whose body has fields of its own, for tests that then spoil one thing in it. */

import { serverName, type BadInputServer } from './bad-input.ts'
import type { Json } from './matrix.ts'

export interface RequestSample {
  readonly method: 'PUT' | 'POST'
  /** The status with which the unspoilt request is answered. */
  readonly status: number
  readonly path: string
  readonly body: Json
}

const api = '/_matrix/client/v3'

function post(path: string, body: Json, status = 200): RequestSample {
  return { method: 'POST', path: api + path, body, status }
}

function put(path: string, body: Json, status = 200): RequestSample {
  return { method: 'PUT', path: api + path, body, status }
}

/** All samples, as alice sends them; `eventId` is that of a message in the room. */
export function requestSamples(server: BadInputServer, eventId: string): readonly RequestSample[] {
  return [
    ...roomSamples(server, eventId),
    ...settingsSamples(server),
    ...keySamples(server),
    ...accountSamples(),
  ]
}

function roomSamples({ alice, bob, roomId }: BadInputServer, eventId: string): readonly RequestSample[] {
  const room = `/rooms/${encodeURIComponent(roomId)}`
  const nobody = { user_id: `@nobody:${serverName}`, reason: 'r' }
  return [
    post('/createRoom', {
      visibility: 'private',
      preset: 'private_chat',
      name: 'Hall',
      topic: 'All',
      invite: [bob.userId],
      room_version: '12',
      creation_content: { 'm.federate': true, additional_creators: [bob.userId] },
      initial_state: [{ type: 'org.example.x', state_key: 'k', content: {} }],
      is_direct: true,
      power_level_content_override: { users_default: 0, events: { 'org.example.x': 10 }, ban: 60 },
    }),
    post(`${room}/invite`, { user_id: bob.userId, reason: 'r' }, 403),
    post(`${room}/kick`, nobody, 403),
    post(`${room}/ban`, nobody),
    post(`${room}/unban`, nobody),
    post(`${room}/join`, { reason: 'r' }),
    put(`${room}/typing/${encodeURIComponent(alice.userId)}`, { typing: true, timeout: 1000 }),
    post(`${room}/receipt/m.read/${encodeURIComponent(eventId)}`, { thread_id: 'main' }),
    post(`${room}/read_markers`, { 'm.read': eventId, 'm.fully_read': eventId }),
  ]
}

function settingsSamples({ alice, bob, roomId }: BadInputServer): readonly RequestSample[] {
  const user = `/user/${encodeURIComponent(alice.userId)}`
  return [
    put(`${user}/rooms/${encodeURIComponent(roomId)}/tags/u.x`, { order: 0.5 }),
    post(`${user}/filter`, {
      event_fields: ['content.body'],
      event_format: 'client',
      presence: { types: ['x'] },
      account_data: { not_types: ['x'], limit: 5 },
      room: {
        rooms: [roomId],
        include_leave: true,
        timeline: { senders: [bob.userId], limit: 10, contains_url: true },
        state: { lazy_load_members: true },
      },
    }),
    put('/pushrules/global/override/org.example.rule', {
      conditions: [
        { kind: 'event_match', key: 'type', pattern: 'x' },
        { kind: 'room_member_count', is: '2' },
      ],
      actions: ['notify', { set_tweak: 'sound', value: 'default' }],
    }),
    put('/pushrules/global/content/org.example.c', { pattern: 'x', actions: [] }),
    put('/pushrules/global/override/.m.rule.master/enabled', { enabled: false }),
    put(`/profile/${alice.userId}/displayname`, { displayname: 'Alice' }),
    put(`/profile/${alice.userId}/avatar_url`, { avatar_url: 'mxc://a/b' }),
    put(`/devices/${alice.deviceId}`, { display_name: 'Phone' }),
  ]
}

function keySamples({ alice, bob, roomId }: BadInputServer): readonly RequestSample[] {
  const publicKey = Buffer.alloc(32, 7).toString('base64').replace(/=+$/, '')
  const oneTimeKeys = {
    'signed_curve25519:A': { key: 'abc', signatures: { [alice.userId]: { 'ed25519:X': 'sig' } } },
  }
  const deviceKeys = {
    user_id: alice.userId,
    device_id: alice.deviceId,
    algorithms: ['m.megolm.v1.aes-sha2'],
    keys: { [`ed25519:${alice.deviceId}`]: publicKey },
    signatures: { [alice.userId]: { [`ed25519:${alice.deviceId}`]: 'sig' } },
  }
  const master = {
    user_id: alice.userId,
    usage: ['master'],
    keys: { [`ed25519:${publicKey}`]: publicKey },
  }
  const session = {
    first_message_index: 0,
    forwarded_count: 0,
    is_verified: false,
    session_data: { ciphertext: 'c' },
  }
  const backup = {
    algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2',
    auth_data: { public_key: 'abc', signatures: {} },
  }
  return [
    post('/keys/upload', {
      device_keys: deviceKeys,
      one_time_keys: oneTimeKeys,
      fallback_keys: oneTimeKeys,
    }),
    post('/keys/query', { device_keys: { [bob.userId]: ['X'] }, timeout: 10 }),
    post('/keys/claim', {
      one_time_keys: { [bob.userId]: { [bob.deviceId]: 'signed_curve25519' } },
      timeout: 10,
    }),
    post('/keys/signatures/upload', { [alice.userId]: { [alice.deviceId]: deviceKeys } }),
    post('/keys/device_signing/upload', { master_key: master }),
    put('/sendToDevice/org.example.note/sample', {
      messages: { [bob.userId]: { [bob.deviceId]: { x: 1 } } },
    }),
    post('/room_keys/version', backup),
    put('/room_keys/keys?version=1', { rooms: { [roomId]: { sessions: { session } } } }),
  ]
}

function accountSamples(): readonly RequestSample[] {
  return [
    post(
      '/register',
      {
        username: 'carol',
        password: 'a long enough password',
        device_id: 'D',
        initial_device_display_name: 'N',
        inhibit_login: true,
        refresh_token: true,
        auth: { type: 'm.login.none', session: 's' },
      },
      401,
    ),
    post(
      '/login',
      {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: 'nobody' },
        password: 'p',
        device_id: 'D',
        initial_device_display_name: 'N',
      },
      403,
    ),
    post('/account/password', { new_password: 'another password', auth: {} }, 401),
    post('/delete_devices', { devices: ['X'] }, 401),
    post('/refresh', { refresh_token: 'r' }, 401),
  ]
}
