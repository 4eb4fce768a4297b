/**
 * Account data, tags and push rules: what a user's clients keep here for each other. All of it is held in memory, for
 * every sync asks for what is new of it; its size is limited (`maxTotalBytes`).
 */

import { parseJson } from '#protocol/json/parse.ts'
import { MatrixError } from '#protocol/errors.ts'
import { utf8Bytes } from '#protocol/json/limits.ts'
import { objectField, objectFromEntries, type JsonObject } from '#protocol/json/types.ts'
import { compileRules, type CompiledRuleset } from '#protocol/push/evaluate.ts'
import { fullRuleset } from '#protocol/push/ruleset.ts'
import type { StoredRules } from '#protocol/push/stored-rules.ts'
import { readAllAccountData } from '#storage/users/account-data.ts'
import type { LogRef } from '#storage/writes.ts'
import { nothing, type UserCore, type UserHandlers } from './core.ts'
import type { AccountDataItem } from './own-state.ts'

/** The most items that a user may have, global and of all rooms. */
export const maxItems = 10_000

/** The greatest size of all of a user's account data, bytes of JSON. */
export const maxTotalBytes = 10 * 1024 * 1024

/** The most tags that a user may give to one room. */
export const maxTags = 200

/** Where push rules are stored, in a form of their own (`protocol/push/stored-rules.ts`). */
export const pushRulesType = 'm.push_rules'

interface Item {
  readonly content: JsonObject
  readonly bytes: number
  readonly at: number | LogRef
}

interface Change {
  readonly roomId: string
  readonly type: string
  readonly at: LogRef
}

interface Held {
  /** Room id ('' global) → type → item. */
  readonly rooms: Map<string, Map<string, Item>>
  count: number
  bytes: number
  /** The greatest position among what was loaded. */
  readonly loadedUpTo: number
  /** What has changed since, in order. */
  readonly changes: Change[]
}

export class AccountData {
  readonly #core: UserCore
  #held: Promise<Held> | undefined = undefined
  #pushRules: CompiledRuleset | undefined = undefined

  constructor(core: UserCore) {
    this.#core = core
  }

  /** Items of a room, or global ones for ''. Push rules are as clients see them. */
  async of(roomId: string): Promise<readonly AccountDataItem[]> {
    const held = await this.#load()
    const items = [...(held.rooms.get(roomId) ?? [])].map(([type, item]) => this.#shown(type, item))
    const missing = roomId === '' && held.rooms.get('')?.has(pushRulesType) !== true
    return missing ? [this.#shown(pushRulesType, { content: {}, bytes: 0, at: 0 }), ...items] : items
  }

  /** Items of rooms, not global ones, that changed after a position. */
  async ofRoomsAfter(pos: number): Promise<readonly (AccountDataItem & { readonly roomId: string })[]> {
    const held = await this.#load()
    const changed = pos < held.loadedUpTo ? everything(held) : since(held, pos)
    return changed.flatMap(({ roomId, type }) => {
      const item = held.rooms.get(roomId)?.get(type)
      if (item === undefined || roomId === '' || positionOf(item.at) <= pos) return []
      return [{ roomId, ...this.#shown(type, item) }]
    })
  }

  async content(roomId: string, type: string): Promise<JsonObject | undefined> {
    return (await this.#load()).rooms.get(roomId)?.get(type)?.content
  }

  async pushRules(): Promise<CompiledRuleset> {
    return (this.#pushRules ??= compileRules(await this.storedRules()))
  }

  async storedRules(): Promise<StoredRules | undefined> {
    // The cast is sound: what is stored under this type is written by the push rule operations alone.
    return (await this.content('', pushRulesType)) as StoredRules | undefined
  }

  /** Stores an item. Throws M_TOO_LARGE past the limits; what makes it no larger is always accepted. */
  async put(roomId: string, type: string, content: JsonObject): Promise<void> {
    const held = await this.#load()
    const text = JSON.stringify(content)
    const before = held.rooms.get(roomId)?.get(type)
    if (before !== undefined && JSON.stringify(before.content) === text) return
    const bytes = utf8Bytes(text)
    const grows = bytes > (before?.bytes ?? 0)
    if (grows && held.bytes - (before?.bytes ?? 0) + bytes > maxTotalBytes) {
      throw new MatrixError('M_TOO_LARGE', `Account data can take ${maxTotalBytes} bytes in all.`)
    }
    if (before === undefined && held.count >= maxItems) {
      throw new MatrixError('M_TOO_LARGE', `There can be ${maxItems} items of account data.`)
    }
    const draft = this.#core.draft()
    const body = { type, content: this.#told(type, content), ...(roomId === '' ? {} : { roomId }) }
    const at = draft.log('accountData', body)
    draft.put('account_data', { user_id: this.#core.userId, room_id: roomId, type, content: text, pos: at })
    held.rooms.getOrInsertComputed(roomId, () => new Map()).set(type, { content, bytes, at })
    held.changes.push({ roomId, type, at })
    held.count += before === undefined ? 1 : 0
    held.bytes += bytes - (before?.bytes ?? 0)
    if (type === pushRulesType) this.#pushRules = undefined
    void this.#core.decide(draft)
  }

  #shown(type: string, item: Item): AccountDataItem {
    return { type, content: this.#told(type, item.content), pos: positionOf(item.at) }
  }

  #told(type: string, content: JsonObject): JsonObject {
    if (type !== pushRulesType) return content
    // The casts are sound: stored rules are plain JSON both ways.
    const rules = fullRuleset(this.#core.userId, content as StoredRules)
    return { global: rules as unknown as JsonObject }
  }

  #load(): Promise<Held> {
    return (this.#held ??= this.#read().catch((error: unknown) => {
      this.#held = undefined
      throw error
    }))
  }

  async #read(): Promise<Held> {
    const rows = await readAllAccountData(this.#core.context.reads, this.#core.userId)
    const rooms = new Map<string, Map<string, Item>>()
    let bytes = 0
    for (const row of rows) {
      const size = utf8Bytes(row.content)
      bytes += size
      // The cast is sound: only objects are stored.
      const item = { content: parseJson(row.content) as JsonObject, bytes: size, at: row.pos }
      rooms.getOrInsertComputed(row.roomId, () => new Map()).set(row.type, item)
    }
    return { rooms, count: rows.length, bytes, loadedUpTo: rows.at(-1)?.pos ?? 0, changes: [] }
  }
}

/** A position that is not given yet lies after every one that is. */
function positionOf(at: number | LogRef): number {
  if (typeof at === 'number') return at
  return at.isPlaced ? at.pos : Number.MAX_SAFE_INTEGER
}

function everything(held: Held): { roomId: string; type: string }[] {
  return [...held.rooms].flatMap(([roomId, items]) => [...items.keys()].map((type) => ({ roomId, type })))
}

/** What changed after a position, each item once. */
function since(held: Held, pos: number): { roomId: string; type: string }[] {
  const found = new Map<string, Change>()
  for (let index = held.changes.length - 1; index >= 0; index--) {
    const change = held.changes[index]
    if (change === undefined || positionOf(change.at) <= pos) break
    found.set(JSON.stringify([change.roomId, change.type]), change)
  }
  return [...found.values()]
}

export function accountDataHandlers(
  core: UserCore,
  data: AccountData,
): UserHandlers<'putAccountData' | 'putTag' | 'deleteTag'> {
  return {
    putAccountData: async ({ roomId, type, content }) => {
      core.openAccount()
      await data.put(roomId ?? '', type, content)
      return nothing
    },

    putTag: async ({ roomId, tag, content }) => {
      core.openAccount()
      const present = await data.content(roomId, 'm.tag')
      const tags = Object.entries(objectField(present ?? {}, 'tags') ?? {}).filter(([name]) => name !== tag)
      if (tags.length >= maxTags) {
        throw new MatrixError('M_TOO_LARGE', `A room can have ${maxTags} tags; remove some first.`)
      }
      await data.put(roomId, 'm.tag', { ...present, tags: objectFromEntries([...tags, [tag, content]]) })
      return nothing
    },

    deleteTag: async ({ roomId, tag }) => {
      core.openAccount()
      const present = await data.content(roomId, 'm.tag')
      const tags = Object.entries(objectField(present ?? {}, 'tags') ?? {})
      const left = tags.filter(([name]) => name !== tag)
      if (left.length < tags.length) {
        await data.put(roomId, 'm.tag', { ...present, tags: objectFromEntries(left) })
      }
      return nothing
    },
  }
}

/** The users whom the user does not want to hear of. Client-server API v1.19, "Ignoring Users". */
export function ignoredUsersIn(content: JsonObject | undefined): ReadonlySet<string> {
  return new Set(Object.keys(objectField(content ?? {}, 'ignored_users') ?? {}))
}
