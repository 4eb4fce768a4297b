/** What a client asks for, made ready: its filter compiled, its token read. */

import { MatrixError } from '#protocol/errors.ts'
import { JsonError } from '#protocol/json/types.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { parseStrictJson } from '#protocol/json/strict-parse.ts'
import { readSyncToken, type SyncToken } from '#protocol/tokens/sync-token.ts'
import {
  compileEventFilter,
  compileFieldProjection,
  compileRoomChoice,
  type EventPredicate,
} from '#protocol/visibility/filter-match.ts'
import { defaultFilter, type Filter, parseFilter } from '#protocol/visibility/filter.ts'
import type { SyncRequest } from '../messages.ts'

export interface CompiledFilter {
  /** Equal for equal filters: names it in the keys of caches. */
  readonly key: string
  readonly wantsRoom: (roomId: string) => boolean
  readonly timeline: EventPredicate
  readonly timelineLimit: number
  readonly state: EventPredicate
  readonly ephemeral: EventPredicate
  readonly roomAccountData: EventPredicate
  readonly accountData: EventPredicate
  readonly lazyMembers: boolean
  readonly redundantMembers: boolean
  readonly threadCounts: boolean
  readonly includeLeave: boolean
  readonly project: ((event: JsonObject) => JsonObject) | undefined
}

export interface SyncPlan {
  readonly deviceId: string
  /** What the client has been told; `foreign` where it names another time or another database. */
  readonly since: SyncToken | 'foreign' | undefined
  readonly timeoutMs: number
  readonly fullState: boolean
  readonly stateAfter: boolean
  readonly filter: CompiledFilter
}

const defaultTimelineLimit = 10
const maxTimelineLimit = 100
const maxCachedFilters = 500

/**
 * The plan of a request. `incarnation` is that of the database. Throws M_INVALID_PARAM for a token that is none, and what
 * `FilterCache.get` throws.
 */
export function planOf(request: SyncRequest, filters: FilterCache, incarnation: number): SyncPlan {
  return {
    deviceId: request.deviceId,
    since: request.since === undefined ? undefined : tokenOf(request.since, incarnation),
    timeoutMs: request.timeoutMs,
    fullState: request.fullState,
    stateAfter: request.useStateAfter,
    filter: filters.get(request.filter),
  }
}

function tokenOf(text: string, incarnation: number): SyncToken | 'foreign' {
  const read = readSyncToken(text)
  switch (read.kind) {
    case 'malformed':
      throw new MatrixError('M_INVALID_PARAM', 'The parameter "since" is not a token that this server gave.')
    case 'unknown-version':
      return 'foreign'
    case 'token':
      return read.token.incarnation === incarnation ? read.token : 'foreign'
  }
}

/** Compiled filters by their text; clients send the same one again and again. */
export class FilterCache {
  readonly #byText = new Map<string, CompiledFilter>()
  readonly #default = compileFilter(defaultFilter, '')

  /** Throws as `parseFilter` does, and M_NOT_JSON. */
  get(text: string | undefined): CompiledFilter {
    if (text === undefined) return this.#default
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    const compiled = compileFilter(parseFilterText(text), text)
    if (this.#byText.size >= maxCachedFilters) this.#byText.clear()
    this.#byText.set(text, compiled)
    return compiled
  }
}

function parseFilterText(text: string): Filter {
  try {
    return parseFilter(parseStrictJson(text, { integers: 'any' }))
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new MatrixError('M_NOT_JSON', 'The filter is not valid JSON.', { cause: error })
  }
}

function compileFilter(filter: Filter, key: string): CompiledFilter {
  const { room } = filter
  return {
    key,
    wantsRoom: compileRoomChoice(room),
    timeline: compileEventFilter(room.timeline),
    timelineLimit: Math.min(room.timeline.limit ?? defaultTimelineLimit, maxTimelineLimit),
    state: compileEventFilter(room.state),
    ephemeral: compileEventFilter(room.ephemeral),
    roomAccountData: compileEventFilter(room.accountData),
    accountData: compileEventFilter(filter.accountData),
    // Clients set the flag on either; the specification reads it on `state`.
    lazyMembers: room.state.lazyLoadMembers || room.timeline.lazyLoadMembers,
    redundantMembers: room.state.includeRedundantMembers,
    threadCounts: room.timeline.unreadThreadNotifications,
    includeLeave: room.includeLeave,
    project: filter.eventFields && compileFieldProjection(filter.eventFields),
  }
}
