/**
 * Accounts and sessions: registration, login, refresh, logout, passwords, deactivation.
 *
 * A session is a device with an access token and perhaps a refresh token. Whatever ends sessions appends a row of kind
 * `session`, which every gateway sees within a second at most, before it believes a cached token again.
 */

import { MatrixError } from '#protocol/errors.ts'
import type { Account } from '#storage/users/accounts.ts'
import {
  readDeviceTokens,
  readLoginToken,
  readLoginTokens,
  readRefreshToken,
  readSession,
} from '#storage/users/tokens.ts'
import type { Draft, UserCore, UserHandlers } from './core.ts'
import { nothing } from './core.ts'
import type { NewSession, Register, UserMessages } from './messages.ts'

type Kinds =
  | 'register'
  | 'login'
  | 'refresh'
  | 'logout'
  | 'setPassword'
  | 'addLoginToken'
  | 'loginByToken'
  | 'addOpenIdToken'
  | 'seen'

/** What sessions need of the other concerns: a removed device changes the user's device list. */
export interface SessionHooks {
  /** Writes whatever follows from the removal of devices into the same draft, and tells the rooms after the commit. */
  devicesRemoved(draft: Draft, deviceIds: readonly string[], hadKeys: boolean): Promise<void>
}

export function sessionHandlers(core: UserCore, hooks: SessionHooks): UserHandlers<Kinds> {
  return {
    register: (request) => register(core, request),

    login: async ({ session, passwordHash }) => {
      const account = core.openAccount()
      await core.settled()
      const known = await readSession(core.context.reads, session.tokenHash)
      if (known !== undefined) return nothing
      // The password was looked at elsewhere and a while ago; a hash bears a salt of its own, so that it stands for one password that was set.
      if (account.passwordHash !== passwordHash) {
        throw new MatrixError('M_FORBIDDEN', 'The password was changed meanwhile; log in with the new one.')
      }
      const draft = core.draft()
      if (core.devices.has(session.deviceId)) await endTokens(core, draft, session.deviceId)
      openSession(core, draft, session)
      void core.decide(draft)
      return nothing
    },

    refresh: (request) => refresh(core, request),

    logout: async ({ deviceIds }) => {
      const gone =
        deviceIds === 'all' ? [...core.devices.keys()] : deviceIds.filter((id) => core.devices.has(id))
      if (gone.length > 0) await removeDevices(core, hooks, gone)
      return nothing
    },

    setPassword: (request) => setPassword(core, hooks, request),

    addLoginToken: async ({ tokenHash, expiresAt, deviceId }) => {
      core.openAccount()
      core.checkLoggedIn(deviceId)
      const draft = core.draft()
      draft.put('login_token', { token_hash: tokenHash, user_id: core.userId, expires_at: expiresAt })
      void core.decide(draft)
      return nothing
    },

    loginByToken: (request) => loginByToken(core, request),

    addOpenIdToken: async ({ tokenHash, expiresAt }) => {
      core.openAccount()
      const draft = core.draft()
      draft.put('openid_token', { token_hash: tokenHash, user_id: core.userId, expires_at: expiresAt })
      void core.decide(draft)
      return nothing
    },

    seen: (request) => seen(core, request),
  }
}

/** Makes the account. Throws M_USER_IN_USE unless this is the same registration again. */
async function register(
  core: UserCore,
  { passwordHash, admin, session, displayName }: Register,
): Promise<typeof nothing> {
  if (core.account !== undefined) return registerAgain(core, core.account, { passwordHash, session })
  const draft = core.draft()
  core.account = {
    userId: core.userId,
    createdAt: core.context.clock.now(),
    passwordHash,
    admin,
    deactivatedAt: undefined,
    erased: false,
  }
  putAccount(core, draft)
  if (displayName !== undefined) {
    draft.put('profile', { user_id: core.userId, key: 'displayname', value: JSON.stringify(displayName) })
    draft.changeProfile(['displayname'])
  }
  if (session !== undefined) openSession(core, draft, session)
  void core.decide(draft)
  return nothing
}

async function setPassword(
  core: UserCore,
  hooks: SessionHooks,
  { passwordHash, logoutDevices, keepDeviceId }: UserMessages['setPassword']['request'],
): Promise<typeof nothing> {
  const account = core.openAccount()
  core.checkLoggedIn(keepDeviceId)
  const draft = core.draft()
  if (logoutDevices) await endLoginTokens(core, draft)
  core.account = { ...account, passwordHash }
  putAccount(core, draft)
  const gone = logoutDevices ? [...core.devices.keys()].filter((id) => id !== keepDeviceId) : []
  if (gone.length > 0) await closeDevices(core, hooks, draft, gone)
  void core.decide(draft)
  return nothing
}

/** Log-ins that are prepared and not carried out end with the sessions that prepared them. */
async function endLoginTokens(core: UserCore, draft: Draft): Promise<void> {
  await core.settled()
  for (const { hash, expiresAt } of await readLoginTokens(core.context.reads, core.userId)) {
    draft.put('login_token', { token_hash: hash, user_id: core.userId, expires_at: expiresAt, deleted: true })
  }
}

/**
 * Client-server API v1.19, "Refreshing access tokens": "The old refresh token remains valid until the new access token or refresh
 * token is used". So a refresh token has at most one living successor: one that is used for the first time proves that its own
 * answer arrived, and what was before it goes; one that is used again gives a new successor in place of the one that was lost.
 */
async function refresh(
  core: UserCore,
  { refreshHash, tokenHash, expiresAt, newRefreshHash }: UserMessages['refresh']['request'],
): Promise<{ deviceId: string }> {
  core.openAccount()
  await core.settled()
  const { reads } = core.context
  const token = await readRefreshToken(reads, refreshHash)
  if (token === undefined || token.userId !== core.userId || !core.devices.has(token.deviceId)) {
    throw new MatrixError('M_UNKNOWN_TOKEN', 'The refresh token is unknown or has been used.')
  }
  const { deviceId } = token
  const held = await readDeviceTokens(reads, core.userId, deviceId)
  if (held.refresh.some(({ hash }) => hash === newRefreshHash)) return { deviceId }
  const draft = core.draft()
  const others = held.refresh.map(({ hash }) => hash).filter((hash) => hash !== refreshHash)
  // Access tokens come in the order in which they were given: the pair's own is the last one unless a successor was given out.
  const dead = token.replaced ? held.access.slice(1) : held.access.slice(0, -1)
  dropTokens(core, draft, deviceId, { access: dead, refresh: others })
  draft.put('refresh_token', { ...tokenRow(core, deviceId, refreshHash), replaced: true })
  draft.put('access_token', { ...tokenRow(core, deviceId, tokenHash), expires_at: expiresAt ?? null })
  draft.put('refresh_token', { ...tokenRow(core, deviceId, newRefreshHash), replaced: false })
  void core.decide(draft)
  core.unconfirmed.add(deviceId)
  return { deviceId }
}

async function loginByToken(
  core: UserCore,
  { loginTokenHash, session }: UserMessages['loginByToken']['request'],
): Promise<typeof nothing> {
  core.openAccount()
  // A login that is still on its way to Postgres must be seen: the token serves once.
  await core.settled()
  const { reads, clock } = core.context
  if ((await readSession(reads, session.tokenHash)) !== undefined) return nothing
  const owner = await readLoginToken(reads, loginTokenHash, clock.now())
  if (owner !== core.userId) {
    throw new MatrixError('M_FORBIDDEN', 'The login token is unknown, has been used, or is too old.')
  }
  const draft = core.draft()
  draft.put('login_token', {
    token_hash: loginTokenHash,
    user_id: core.userId,
    expires_at: 0,
    deleted: true,
  })
  if (core.devices.has(session.deviceId)) await endTokens(core, draft, session.deviceId)
  openSession(core, draft, session)
  void core.decide(draft)
  return nothing
}

/** Notes when and from where a device was used last, and ends the pair of tokens before the one that is used now. */
async function seen(
  core: UserCore,
  { deviceId, ip, ts, tokenHash }: UserMessages['seen']['request'],
): Promise<typeof nothing> {
  const device = core.devices.get(deviceId)
  if (device === undefined) return nothing
  core.devices.set(deviceId, { ...device, lastSeenIp: ip, lastSeenTs: ts })
  const draft = core.draft()
  draft.put('device', { user_id: core.userId, device_id: deviceId, last_seen_ts: ts, last_seen_ip: ip })
  if (core.unconfirmed.has(deviceId)) {
    await core.settled()
    const held = await readDeviceTokens(core.context.reads, core.userId, deviceId)
    if (held.access.at(-1) === tokenHash) {
      const refresh = held.refresh.filter((token) => token.replaced).map((token) => token.hash)
      dropTokens(core, draft, deviceId, { access: held.access.slice(0, -1), refresh })
      core.unconfirmed.delete(deviceId)
    }
  }
  void core.decide(draft)
  return nothing
}

/** Ends single tokens of a device that goes on with others. */
function dropTokens(
  core: UserCore,
  draft: Draft,
  deviceId: string,
  dead: { access: readonly string[]; refresh: readonly string[] },
): void {
  for (const hash of dead.access) {
    draft.put('access_token', { ...tokenRow(core, deviceId, hash), expires_at: null, deleted: true })
  }
  for (const hash of dead.refresh) {
    draft.put('refresh_token', { ...tokenRow(core, deviceId, hash), replaced: true, deleted: true })
  }
  if (dead.access.length > 0) draft.log('session', { deviceIds: [deviceId] })
}

/** The same registration again is fine; anybody else's is not. A password's hash is salted, so that an equal one is the same one. */
async function registerAgain(
  core: UserCore,
  account: Account,
  { passwordHash, session }: { passwordHash: string | undefined; session: NewSession | undefined },
): Promise<typeof nothing> {
  if (passwordHash !== undefined && passwordHash === account.passwordHash) return nothing
  // The first one may still be on its way to Postgres.
  await core.settled()
  const known = session === undefined ? undefined : await readSession(core.context.reads, session.tokenHash)
  if (known?.userId === core.userId) return nothing
  throw new MatrixError('M_USER_IN_USE', 'This user name is taken.')
}

/** Writes the account as it is held in memory. */
export function putAccount(core: UserCore, draft: Draft): void {
  const { account } = core
  if (account === undefined) throw new Error('there is no account to be written')
  draft.put('account', {
    user_id: core.userId,
    created_at: account.createdAt,
    password_hash: account.passwordHash ?? null,
    admin: account.admin,
    deactivated_at: account.deactivatedAt ?? null,
    erased: account.erased,
  })
}

function tokenRow(
  core: UserCore,
  deviceId: string,
  hash: string,
): { token_hash: string; user_id: string; device_id: string } {
  return { token_hash: hash, user_id: core.userId, device_id: deviceId }
}

/** A device that exists keeps its keys and, unless another is given, its name. */
function openSession(core: UserCore, draft: Draft, session: NewSession): void {
  const { deviceId } = session
  const present = core.devices.get(deviceId)
  const createdAt = present?.createdAt ?? core.context.clock.now()
  const displayName = present?.displayName ?? session.displayName
  core.devices.set(deviceId, {
    deviceId,
    displayName,
    createdAt,
    lastSeenTs: present?.lastSeenTs,
    lastSeenIp: present?.lastSeenIp,
    keys: present?.keys,
  })
  draft.put('device', {
    user_id: core.userId,
    device_id: deviceId,
    display_name: displayName ?? null,
    created_at: createdAt,
  })
  draft.put('access_token', {
    ...tokenRow(core, deviceId, session.tokenHash),
    expires_at: session.expiresAt ?? null,
  })
  if (session.refreshHash !== undefined) {
    draft.put('refresh_token', { ...tokenRow(core, deviceId, session.refreshHash), replaced: false })
  }
}

/** A device that logs in again has the new session alone. */
async function endTokens(core: UserCore, draft: Draft, deviceId: string): Promise<void> {
  const held = await readDeviceTokens(core.context.reads, core.userId, deviceId)
  dropTokens(core, draft, deviceId, { access: held.access, refresh: held.refresh.map(({ hash }) => hash) })
  core.unconfirmed.delete(deviceId)
}

/** Ends devices for good: rows, tokens, keys and inbox, and what others must learn of it. */
export async function closeDevices(
  core: UserCore,
  hooks: SessionHooks,
  draft: Draft,
  deviceIds: readonly string[],
): Promise<void> {
  const hadKeys = deviceIds.some((deviceId) => core.devices.get(deviceId)?.keys !== undefined)
  for (const deviceId of deviceIds) {
    core.devices.delete(deviceId)
    draft.put('device_removal', { user_id: core.userId, device_id: deviceId })
    draft.put('device', { user_id: core.userId, device_id: deviceId, deleted: true })
  }
  draft.log('session', { deviceIds })
  await hooks.devicesRemoved(draft, deviceIds, hadKeys)
}

async function removeDevices(
  core: UserCore,
  hooks: SessionHooks,
  deviceIds: readonly string[],
): Promise<void> {
  const draft = core.draft()
  await closeDevices(core, hooks, draft, deviceIds)
  void core.decide(draft)
}
