/**
 * Server-side key backups. Client-server API v1.19, "Server-side key backups". The keys stay in Postgres; every change reads what it
 * rests on there, after whatever was decided before.
 */

import { MatrixError } from '#protocol/errors.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { field, objectField, type JsonObject } from '#protocol/json/types.ts'
import {
  readBackedUpKeys,
  readKeyBackup,
  readLastBackupVersion,
  type BackedUpKey,
  type KeyBackup,
} from '#storage/e2ee/backups.ts'
import { nothing, type Draft, type UserCore, type UserHandlers } from './core.ts'
import type { BackupKey, UserMessages } from './messages.ts'

type Kinds = 'createBackup' | 'updateBackup' | 'deleteBackup' | 'putBackupKeys' | 'deleteBackupKeys'
type Result = UserMessages['putBackupKeys']['reply']

/** Up to so many keys are looked up one by one; more are compared with the whole backup. */
const singleLookups = 20

export class Backups {
  readonly #core: UserCore

  constructor(core: UserCore) {
    this.#core = core
  }

  async create({
    algorithm,
    authData,
  }: UserMessages['createBackup']['request']): Promise<{ version: string }> {
    await this.#ready()
    const { reads } = this.#core.context
    const version = (await readLastBackupVersion(reads, this.#core.userId)) + 1
    const draft = this.#core.draft()
    this.#put(draft, { version, algorithm, authData: JSON.stringify(authData), etag: 0, deleted: false })
    void this.#core.decide(draft)
    return { version: String(version) }
  }

  async update({ version, algorithm, authData }: UserMessages['updateBackup']['request']): Promise<void> {
    await this.#ready()
    const backup = await this.#existing(version)
    if (backup.algorithm !== algorithm) {
      throw new MatrixError('M_INVALID_PARAM', 'The algorithm of a backup cannot be changed.')
    }
    const draft = this.#core.draft()
    this.#put(draft, { ...backup, authData: JSON.stringify(authData) })
    void this.#core.decide(draft)
  }

  async delete(version: string): Promise<void> {
    await this.#ready()
    const backup = await readKeyBackup(this.#core.context.reads, this.#core.userId, parseVersion(version))
    if (backup === undefined) throw noBackup()
    if (backup.deleted) return
    const draft = this.#core.draft()
    this.#put(draft, { ...backup, deleted: true })
    draft.put('key_backup_removal', { user_id: this.#core.userId, version: backup.version })
    void this.#core.decide(draft)
  }

  /** Throws M_WRONG_ROOM_KEYS_VERSION with `current_version` when the backup is not the latest. */
  async putKeys(version: string, keys: readonly BackupKey[]): Promise<Result> {
    await this.#ready()
    const backup = await this.#latest(version)
    const given = new Map(keys.map((key) => [keyName(key), parseBackupKey(key)]))
    const present = await this.#present(backup.version, [...given.values()])
    const stored = [...given].filter(([name, key]) => {
      const old = present.get(name)
      return old === undefined || isBetter(key, old)
    })
    if (stored.length === 0) return { etag: String(backup.etag), count: backup.count }
    const draft = this.#core.draft()
    for (const [, key] of stored) {
      draft.put('key_backup_key', {
        user_id: this.#core.userId,
        version: backup.version,
        room_id: key.roomId,
        session_id: key.sessionId,
        first_message_index: key.firstMessageIndex,
        forwarded_count: key.forwardedCount,
        is_verified: key.isVerified,
        session_data: key.sessionData,
      })
    }
    const added = stored.filter(([name]) => !present.has(name)).length
    return this.#changed(draft, backup, backup.count + added)
  }

  async deleteKeys({
    version,
    roomId,
    sessionId,
  }: UserMessages['deleteBackupKeys']['request']): Promise<Result> {
    await this.#ready()
    const backup = await this.#existing(version)
    const scope = { userId: this.#core.userId, version: backup.version, ...pick(roomId, sessionId) }
    const gone = await readBackedUpKeys(this.#core.context.reads, scope)
    if (gone.length === 0) return { etag: String(backup.etag), count: backup.count }
    const draft = this.#core.draft()
    const target = { user_id: this.#core.userId, version: backup.version }
    if (sessionId === undefined) {
      draft.put('key_backup_removal', { ...target, ...(roomId === undefined ? {} : { room_id: roomId }) })
    } else {
      for (const key of gone) {
        draft.put('key_backup_key', {
          ...target,
          room_id: key.roomId,
          session_id: key.sessionId,
          first_message_index: 0,
          forwarded_count: 0,
          is_verified: false,
          session_data: '',
          deleted: true,
        })
      }
    }
    return this.#changed(draft, backup, backup.count - gone.length)
  }

  async #ready(): Promise<void> {
    this.#core.openAccount()
    await this.#core.settled()
  }

  #changed(draft: Draft, backup: KeyBackup, count: number): Result {
    const etag = backup.etag + 1
    this.#put(draft, { ...backup, etag })
    void this.#core.decide(draft)
    return { etag: String(etag), count }
  }

  #put(draft: Draft, backup: Omit<KeyBackup, 'count'>): void {
    draft.put('key_backup', {
      user_id: this.#core.userId,
      version: backup.version,
      algorithm: backup.algorithm,
      auth_data: backup.authData,
      etag: backup.etag,
      deleted: backup.deleted,
    })
  }

  async #existing(version: string): Promise<KeyBackup> {
    const backup = await readKeyBackup(this.#core.context.reads, this.#core.userId, parseVersion(version))
    if (backup === undefined || backup.deleted) throw noBackup()
    return backup
  }

  async #latest(version: string): Promise<KeyBackup> {
    const latest = await readKeyBackup(this.#core.context.reads, this.#core.userId)
    if (latest === undefined) throw noBackup()
    if (String(latest.version) === version) return latest
    throw new MatrixError('M_WRONG_ROOM_KEYS_VERSION', 'This is not the current version of the key backup.', {
      extra: { current_version: String(latest.version) },
    })
  }

  /** Those of the keys that are in the backup already. */
  async #present(version: number, keys: readonly ParsedKey[]): Promise<Map<string, BackedUpKey>> {
    const { userId, context } = this.#core
    const scopes =
      keys.length <= singleLookups
        ? keys.map((key) => ({ userId, version, ...pick(key.roomId, key.sessionId) }))
        : [{ userId, version }]
    const found = await Promise.all(scopes.map((scope) => readBackedUpKeys(context.reads, scope)))
    return new Map(found.flat().map((key) => [keyName(key), key]))
  }
}

interface ParsedKey {
  readonly roomId: string
  readonly sessionId: string
  readonly firstMessageIndex: number
  readonly forwardedCount: number
  readonly isVerified: boolean
  readonly sessionData: string
}

function parseBackupKey({ roomId, sessionId, data }: BackupKey): ParsedKey {
  const sessionData = objectField(data, 'session_data')
  const isVerified = field(data, 'is_verified')
  if (sessionData === undefined || typeof isVerified !== 'boolean') {
    throw new MatrixError(
      'M_BAD_JSON',
      'A key needs "session_data", an object, and "is_verified", true or false.',
    )
  }
  return {
    roomId,
    sessionId,
    firstMessageIndex: count(data, 'first_message_index'),
    forwardedCount: count(data, 'forwarded_count'),
    isVerified,
    sessionData: JSON.stringify(sessionData),
  }
}

function count(data: JsonObject, name: string): number {
  const value = field(data, name)
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new MatrixError('M_BAD_JSON', `A key needs "${name}", a whole number of at least 0.`)
}

/**
 * "if the keys have different values for is_verified, then it will keep the key that has is_verified set to true; if they have the
 * same values for is_verified, then it will keep the key with a lower first_message_index; and finally, is is_verified and
 * first_message_index are equal, then it will keep the key with a lower forwarded_count."
 */
function isBetter(key: ParsedKey, old: ParsedKey): boolean {
  if (key.isVerified !== old.isVerified) return key.isVerified
  if (key.firstMessageIndex !== old.firstMessageIndex) return key.firstMessageIndex < old.firstMessageIndex
  return key.forwardedCount < old.forwardedCount
}

function keyName({ roomId, sessionId }: { readonly roomId: string; readonly sessionId: string }): string {
  return JSON.stringify([roomId, sessionId])
}

/** Scope of a read. The endpoints have checked the room id. */
function pick(
  roomId: string | undefined,
  sessionId: string | undefined,
): { roomId?: RoomId; sessionId?: string } {
  return {
    ...(roomId === undefined ? {} : { roomId: roomId as RoomId }),
    ...(sessionId === undefined ? {} : { sessionId }),
  }
}

/** The number of a version; one that cannot be given is none that exists. */
function parseVersion(version: string): number {
  if (/^[0-9]{1,15}$/.test(version)) return Number(version)
  throw noBackup()
}

function noBackup(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such key backup.')
}

export function backupHandlers(backups: Backups): UserHandlers<Kinds> {
  return {
    createBackup: (request) => backups.create(request),
    updateBackup: async (request) => {
      await backups.update(request)
      return nothing
    },
    deleteBackup: async ({ version }) => {
      await backups.delete(version)
      return nothing
    },
    putBackupKeys: ({ version, keys }) => backups.putKeys(version, keys),
    deleteBackupKeys: (request) => backups.deleteKeys(request),
  }
}
