/**
 * What must be true of every run, whatever was killed, paused or cut off in it. Each rule is a function of the history alone and says
 * what it found wrong; a run is good when none of them finds anything.
 */

import type { History, LogRow, StoredEvent } from './history.ts'

/** What a rule found wrong, in words for whoever looks into it. */
export type Finding = string

export type Rule = (history: History) => Finding[]

/** All rules by their names. */
export const rules: Readonly<Record<string, Rule>> = {
  'C1 nothing acknowledged is lost': acknowledgedIsKept,
  'C2 nothing takes effect twice': nothingTwice,
  'C3 one order at every client': oneOrder,
  'C4 what was sent later comes later': realTimeOrder,
  'C5 epochs never decrease': epochsGrow,
  'C6 positions have no gap': positionsWithoutGap,
  'C7 no room forks': noFork,
  'C8 the state is right': stateIsRight,
  'C9 unread counts are right': countsAreRight,
  'C9 messages to devices arrive': whispersArrive,
  'C9 a one-time key is given once': keysOnce,
}

/** Everything that any rule finds wrong. */
export function check(history: History): Finding[] {
  return Object.entries(rules).flatMap(([name, rule]) =>
    rule(history).map((finding) => `${name}: ${finding}`),
  )
}

/** C1: every event that was acknowledged is stored, and every client in its room has it. */
export function acknowledgedIsKept(history: History): Finding[] {
  const stored = new Set(history.events.map((event) => event.eventId))
  const acknowledged = history.sends.flatMap((send) => send.eventIds.map((eventId) => ({ send, eventId })))
  const lost = acknowledged
    .filter(({ eventId }) => !stored.has(eventId))
    .map(({ send, eventId }) => `${eventId} ("${send.body}") is not in the database`)
  const unseen = history.timelines.flatMap((timeline) => {
    const seen = new Set(timeline.eventIds)
    return acknowledged
      .filter(({ send, eventId }) => send.roomId === timeline.roomId && !seen.has(eventId))
      .map(({ send, eventId }) => `${timeline.client} never saw ${eventId} ("${send.body}")`)
  })
  return [...lost, ...unseen]
}

/** C2: a transaction id makes at most one event however often it is repeated, and no client is given an event twice. */
export function nothingTwice(history: History): Finding[] {
  const messages = history.events.filter((event) => event.body !== undefined)
  const byTxn = messages.filter((event) => event.txn !== undefined)
  return [
    ...repeated(byTxn.map((event) => `${event.roomId} ${event.sender} ${event.txn}`)).map(
      (key) => `the transaction ${key} made more than one event`,
    ),
    ...repeated(messages.map((event) => String(event.body))).map(
      (body) => `"${body}" is there more than once`,
    ),
    ...repeated(history.events.map((event) => event.eventId)).map(
      (eventId) => `${eventId} has more than one position`,
    ),
    ...history.sends
      .filter((send) => new Set(send.eventIds).size > 1)
      .map((send) => `"${send.body}" was answered with ${send.eventIds.join(' and ')}`),
    ...history.timelines.flatMap((timeline) =>
      repeated(timeline.eventIds).map((eventId) => `${timeline.client} was given ${eventId} more than once`),
    ),
  ]
}

/** C3: every client's timeline of a room is the room's log, whole and in its order. */
export function oneOrder(history: History): Finding[] {
  const logs = byRoom(history.events)
  return history.timelines.flatMap(({ client, roomId, eventIds }) => {
    const expected = (logs.get(roomId) ?? []).map((event) => event.eventId)
    const at = expected.findIndex((eventId, index) => eventIds[index] !== eventId)
    if (at === -1 && eventIds.length === expected.length) return []
    const index = at === -1 ? expected.length : at
    return [
      `${client} has ${eventIds.length} events of ${roomId}, the log ${expected.length}; ` +
        `the first that differs is number ${index + 1}: ${eventIds[index]} instead of ${expected[index]}`,
    ]
  })
}

/** C4: a message that was sent after another had been acknowledged stands behind it. */
export function realTimeOrder(history: History): Finding[] {
  const positions = new Map(history.events.map((event) => [event.eventId, event.pos]))
  const rooms = Map.groupBy(history.sends, (send) => send.roomId)
  return [...rooms.values()].flatMap((sends) => {
    const placed = sends
      .flatMap((send) => {
        const pos = positions.get(send.eventIds[0] ?? '')
        return pos === undefined ? [] : [{ send, pos }]
      })
      .toSorted((a, b) => b.pos - a.pos)
    // Going down the log: whatever stands further up was acknowledged at this time at the earliest.
    let earliest: { body: string; returnedAtMs: number } | undefined
    return placed.flatMap(({ send }) => {
      const before = earliest
      const returnedAtMs = send.returnedAtMs ?? Infinity
      if (returnedAtMs < (earliest?.returnedAtMs ?? Infinity)) earliest = { body: send.body, returnedAtMs }
      if (before === undefined || before.returnedAtMs >= send.invokedAtMs) return []
      return [`"${send.body}" stands before "${before.body}", which was acknowledged before it was sent`]
    })
  })
}

/** C5: within a log the epoch never decreases, and no two hosts had the same epoch of a shard. */
export function epochsGrow(history: History): Finding[] {
  const fenced = consecutive(history.log)
    .filter(([before, row]) => row.epoch < before.epoch)
    .map(
      ([before, row]) =>
        `shard ${row.shard}: position ${row.pos} bears epoch ${row.epoch} after epoch ${before.epoch}`,
    )
  const owners = Map.groupBy(history.owners, (seen) => `shard ${seen.shard}, epoch ${seen.epoch}`)
  const shared = [...owners].flatMap(([which, seen]) => {
    const hosts = new Set(seen.map((one) => one.owner))
    return hosts.size > 1 ? [`${which} had the owners ${[...hosts].join(' and ')}`] : []
  })
  return [...fenced, ...shared]
}

/** C6: the positions of each log are 1, 2, 3 … to its head. */
export function positionsWithoutGap(history: History): Finding[] {
  const starts = [...Map.groupBy(history.log, (row) => row.shard).values()].flatMap(([first]) =>
    first === undefined || first.pos === 1 ? [] : [`shard ${first.shard} begins at position ${first.pos}`],
  )
  const gaps = consecutive(history.log)
    .filter(([before, row]) => row.pos !== before.pos + 1)
    .map(([before, row]) => `shard ${row.shard}: position ${row.pos} follows ${before.pos}`)
  return [...starts, ...gaps]
}

/** C7: in rooms that only local users are in, every event has exactly the one before it as its predecessor. */
export function noFork(history: History): Finding[] {
  return [...byRoom(history.events).values()].flatMap((events) =>
    events.flatMap((event, index) => {
      const before = events[index - 1]
      const expected = before === undefined ? [] : [before.eventId]
      const isNext =
        event.prevEvents.length === expected.length && event.prevEvents.every((id) => id === expected[0])
      if (!isNext) {
        return [
          `${event.eventId} names [${event.prevEvents.join(', ')}] and stands behind [${expected.join(', ')}]`,
        ]
      }
      if (before !== undefined && event.depth !== before.depth + 1) {
        return [`${event.eventId} has depth ${event.depth} behind an event of depth ${before.depth}`]
      }
      return []
    }),
  )
}

/** C8: what a client has made of its syncs, what `/state` answers and what the log says are the same. */
export function stateIsRight(history: History): Finding[] {
  const logged = new Map<string, Map<string, string>>()
  for (const { roomId, type, stateKey, eventId } of history.events) {
    if (stateKey === undefined) continue
    // Where nothing forks, the last event of each entry is the state.
    logged.getOrInsertComputed(roomId, () => new Map()).set(`${type} ${stateKey}`, eventId)
  }
  return history.states.flatMap(({ client, roomId, folded, served }) => {
    const log = logged.get(roomId) ?? new Map<string, string>()
    const entries = new Set([...folded.keys(), ...served.keys(), ...log.keys()])
    return [...entries].flatMap((entry) => {
      const three = [folded.get(entry), served.get(entry), log.get(entry)]
      if (new Set(three).size === 1) return []
      return [
        `${client} has ${three[0]} for "${entry}" of ${roomId}, is served ${three[1]}, and the log ends with ${three[2]}`,
      ]
    })
  })
}

/**
 * C9: every client is told at last of the messages of all others since it joined, or since the event that it has read; and as highlights
 * of those that mention it. This holds because every message notifies by default; where it does not, the rule does not apply.
 */
export function countsAreRight(history: History): Finding[] {
  const rooms = byRoom(history.events)
  return history.timelines.flatMap(({ client, roomId, notifications, highlights, readTo }) => {
    const events = rooms.get(roomId) ?? []
    const joined = events.find((event) => event.type === 'm.room.member' && event.stateKey === client)
    const read = events.find((event) => event.eventId === readTo)
    const fromPos = Math.max(joined?.pos ?? 0, read?.pos ?? 0)
    const unread = events.filter(
      (event) => event.type === 'm.room.message' && event.sender !== client && event.pos > fromPos,
    )
    const mentioning = unread.filter((event) => event.mentions.includes(client))
    return [
      ...(notifications === unread.length
        ? []
        : [
            `${client} was told of ${notifications} unread messages in ${roomId} where there are ${unread.length}`,
          ]),
      ...(highlights === mentioning.length
        ? []
        : [`${client} was told of ${highlights} mentions in ${roomId} where there are ${mentioning.length}`]),
    ]
  })
}

/** C9: a message to a device that was acknowledged has arrived there, and nothing else has. */
export function whispersArrive(history: History): Finding[] {
  const ears = new Map(history.ears.map(({ client, heard }) => [client, new Set(heard)]))
  return history.whispers
    .filter(({ to, text }) => ears.get(to)?.has(text) !== true)
    .map(({ to, text }) => `${to} never heard "${text}"`)
}

/** C9: no one-time key is handed out twice. */
export function keysOnce(history: History): Finding[] {
  return repeated(history.claims).map((key) => `the one-time key ${key} was handed out more than once`)
}

/** Rows with the row before them in the same log. */
function consecutive(log: readonly LogRow[]): [LogRow, LogRow][] {
  return log.flatMap((row, index): [LogRow, LogRow][] => {
    const before = log[index - 1]
    return before !== undefined && before.shard === row.shard ? [[before, row]] : []
  })
}

function byRoom(events: readonly StoredEvent[]): Map<string, StoredEvent[]> {
  return Map.groupBy(events, (event) => event.roomId)
}

/** What occurs more than once, each named once. */
function repeated(values: readonly string[]): string[] {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const value of values) {
    if (seen.has(value)) twice.add(value)
    seen.add(value)
  }
  return [...twice]
}
