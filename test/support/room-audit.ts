/**
 * Looks at the stored events of a room as a server would that is given them by another one: form, id, content hash, references, and the authorisation
 * rules by the auth events and by the state before. Only for rooms whose events stand one behind the other.
 */

import assert from 'node:assert/strict'
import { toCheckedEvent, type CheckedEvent, type StateLookup } from '#protocol/auth/auth-event.ts'
import { checkAuthEventsList } from '#protocol/auth/auth-events-list.ts'
import { checkAuth } from '#protocol/auth/check.ts'
import {
  contentHash,
  eventIdOf,
  hasValidContentHash,
  referenceHash,
  roomIdOfCreate,
} from '#protocol/events/hash.ts'
import { authEventIds, checkFormat, prevEventIds, type Pdu } from '#protocol/events/pdu.ts'
import { redact } from '#protocol/events/redact.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import type { JsonArray, JsonObject } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import type { Database } from '#storage/pool.ts'

interface Row {
  readonly room_id: string
  readonly version: string
  readonly event_id: EventId
  readonly json: string
  readonly redacted_by: number | null
}

/** An event that has been looked at. */
interface Audited {
  readonly pdu: Pdu
  readonly checked: CheckedEvent
}

/** Fails for the first event of any room that another server would not accept; answers how many there were, by room version. */
export async function auditRooms(database: Database): Promise<Map<string, number>> {
  const rows = await database.reads.sql<Row[]>`
    select r.room_id, r.version, e.event_id, e.json, e.redacted_by from log l
    join event e on e.event_nid = l.event_nid join room r on r.room_nid = l.room_nid order by l.shard_id, l.pos`
  const audits = new Map<string, RoomAudit>()
  const counts = new Map<string, number>()
  for (const row of rows) {
    audits.getOrInsertComputed(row.room_id, () => new RoomAudit(row)).add(row)
    counts.set(row.version, (counts.get(row.version) ?? 0) + 1)
  }
  return counts
}

class RoomAudit {
  readonly #rules: RoomVersionRules
  readonly #roomId: string
  readonly #events = new Map<EventId, Audited>()
  readonly #state = new Map<string, CheckedEvent>()
  #tip: Audited | undefined

  constructor(row: Row) {
    const rules = rulesFor(row.version)
    assert.ok(rules)
    this.#rules = rules
    this.#roomId = row.room_id
  }

  add(row: Row): void {
    const where = `event ${row.event_id} of a room of version ${row.version}: ${row.json}`
    const pdu = this.#form(row, where)
    const checked = toCheckedEvent(this.#rules, pdu, row.event_id)
    this.#references(pdu, where)
    this.#authorisation(checked, pdu, where)
    const event = { pdu, checked }
    this.#events.set(row.event_id, event)
    if (pdu.state_key !== undefined) this.#state.set(keyOf(pdu.type, pdu.state_key), checked)
    this.#tip = event
  }

  #form(row: Row, where: string): Pdu {
    const rules = this.#rules
    // The signature is kept beside the event.
    const value = { ...(JSON.parse(row.json) as JsonObject), signatures: {} }
    const verdict = checkFormat(rules, value)
    assert.ok(verdict.ok, `${verdict.ok ? '' : verdict.why} ${where}`)
    const { pdu } = verdict
    assert.equal(eventIdOf(rules, pdu), row.event_id, where)
    const roomId = pdu.room_id ?? roomIdOfCreate(row.event_id)
    assert.equal(roomId, this.#roomId, where)
    if (row.redacted_by === null) {
      assert.ok(hasValidContentHash(rules, pdu), `${contentHash(rules, pdu)} is the hash of ${where}`)
    } else {
      assert.deepEqual(redact(rules, pdu), pdu, where)
    }
    return pdu
  }

  #references(pdu: Pdu, where: string): void {
    const tip = this.#tip
    assert.deepEqual(prevEventIds(this.#rules, pdu), tip === undefined ? [] : [tip.checked.eventId], where)
    assert.equal(pdu.depth, (tip?.pdu.depth ?? 0) + 1, where)
    if (this.#rules.eventIdFormat !== 'v1') return
    for (const reference of [...pdu.prev_events, ...pdu.auth_events]) {
      const [id, hashes] = reference as JsonArray
      const event = this.#events.get(id as EventId)
      assert.deepEqual(hashes, { sha256: event && referenceHash(this.#rules, event.pdu) }, where)
    }
  }

  #authorisation(checked: CheckedEvent, pdu: Pdu, where: string): void {
    const listed = authEventIds(this.#rules, pdu).map((id) => {
      const event = this.#events.get(id)
      assert.ok(event, `${id} is not known: ${where}`)
      return { ...event.checked, rejected: false }
    })
    const create = this.#state.get(keyOf('m.room.create', ''))
    const byAuthEvents = new Map([...(create === undefined ? [] : [create]), ...listed].map(entryOf))
    assert.deepEqual(checkAuthEventsList(this.#rules, checked, listed), { ok: true }, where)
    for (const state of [byAuthEvents, this.#state]) {
      const lookup: StateLookup = (type, stateKey) => state.get(keyOf(type, stateKey))
      assert.deepEqual(checkAuth(this.#rules, checked, lookup), { ok: true }, where)
    }
  }
}

function entryOf(event: CheckedEvent): [key: string, event: CheckedEvent] {
  return [keyOf(event.type, event.stateKey ?? ''), event]
}

function keyOf(type: string, stateKey: string): string {
  return JSON.stringify([type, stateKey])
}
