/**
 * The reference: what a send and a waiting sync cost when nothing of Matrix is done. A process of its own that
 *
 *     reads a token ── parses ── builds and hashes an event ── commits in groups (fsync) ── answers ── wakes who waits
 *
 * on the same PostgreSQL as the server it stands beside. It signs nothing, checks nothing and knows nothing of state. A commit waits for no
 * timer: what arrives while one is under way goes together into the next. An event is serialised for clients once, and its response is
 * written to each waiting client of the room.
 *
 * `node reference.ts <PostgreSQL URL>`; prints the port on which it listens. `POST /world` tells it who has which token and who is
 * in which room, before the rest: {"tokens": {token: user}, "rooms": {room: [user, …]}}.
 */

import { hash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import postgres from 'postgres'

interface Room {
  readonly id: string
  readonly members: readonly string[]
  /** The latest events as clients see them, oldest first. */
  readonly recent: { readonly pos: number; readonly json: string }[]
  last: string
  depth: number
}

interface Row {
  readonly pos: number
  readonly eventId: string
  readonly sender: string
  readonly sentAt: number
  readonly json: string
  readonly clientJson: string
  readonly room: Room
  readonly response: ServerResponse
}

interface Waiter {
  readonly response: ServerResponse
  readonly timer: NodeJS.Timeout
}

const recentMax = 100
const keepAliveMs = 120_000
const users = new Map<string, string>()
const rooms = new Map<string, Room>()
const roomsOf = new Map<string, Room[]>()
const waiting = new Map<string, Waiter>()
let decided = 0
let committed = 0

const url = new URL(process.argv[2] ?? '')
const host = url.searchParams.get('host') ?? url.hostname
url.searchParams.delete('host')
const sql = postgres(url.href, { host, max: 1, onnotice: () => {} })
await sql`create table if not exists message (pos bigint primary key, event_id text collate "C" not null unique,
  room_id text collate "C" not null, sender text not null, sent_at bigint not null, json text not null)`
await sql`create index if not exists message_room on message (room_id, pos)`
const [head] = await sql<{ pos: string }[]>`select coalesce(max(pos), 0) as pos from message`
decided = committed = Number(head?.pos)

/** JSON with sorted keys, as the hash of an event needs it. */
function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const object = value as Record<string, unknown>
  const keys = Object.keys(object).toSorted()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`).join(',')}}`
}

function build(room: Room, sender: string, text: string, response: ServerResponse): Row {
  const content = canonical(JSON.parse(text))
  const sentAt = Date.now()
  const before = `{"auth_events":["${room.id}create","${room.id}levels","${room.id}member"],"content":`
  const depth = `"depth":${++room.depth},`
  const after = `"origin_server_ts":${sentAt},"prev_events":["${room.last}"],"room_id":"${room.id}","sender":"${sender}","type":"m.room.message"}`
  const digest = hash('sha256', `${before}${content},${depth}${after}`, 'base64').slice(0, 43)
  const hashes = `"hashes":{"sha256":"${digest}"},`
  const eventId = `$${hash('sha256', `${before}{},${depth}${hashes}${after}`, 'base64url')}`
  room.last = eventId
  const clientJson = `{"content":${content},"event_id":"${eventId}","origin_server_ts":${sentAt},"sender":"${sender}","type":"m.room.message","unsigned":{}}`
  const json = `${before}${content},${depth}${hashes}${after}`
  return { pos: ++decided, eventId, sender, sentAt, json, clientJson, room, response }
}

let queue: Row[] = []
let isCommitting = false

async function commitAll(): Promise<void> {
  isCommitting = true
  while (queue.length > 0) {
    const rows = queue
    queue = []
    await sql`insert into message (pos, event_id, room_id, sender, sent_at, json)
      select * from unnest(${rows.map((r) => r.pos)}::bigint[], ${rows.map((r) => r.eventId)}::text[],
        ${rows.map((r) => r.room.id)}::text[], ${rows.map((r) => r.sender)}::text[],
        ${rows.map((r) => r.sentAt)}::bigint[], ${rows.map((r) => r.json)}::text[])`
    for (const row of rows) finish(row)
  }
  isCommitting = false
}

function finish(row: Row): void {
  committed = row.pos
  const { room } = row
  room.recent.push({ pos: row.pos, json: row.clientJson })
  if (room.recent.length > recentMax) room.recent.shift()
  answer(row.response, `{"event_id":"${row.eventId}"}`)
  let body: Buffer | undefined
  for (const member of room.members) {
    const waiter = waiting.get(member)
    if (waiter === undefined) continue
    waiting.delete(member)
    clearTimeout(waiter.timer)
    body ??= Buffer.from(syncBody(row.pos, [[room.id, row.clientJson]]))
    answer(waiter.response, body)
  }
}

function syncBody(pos: number, joined: readonly (readonly [string, string])[]): string {
  const parts = joined.map(
    ([id, events]) => `"${id}":{"timeline":{"events":[${events}],"limited":false,"prev_batch":"${pos}"}}`,
  )
  return `{"next_batch":"${pos}","rooms":{"join":{${parts.join(',')}}}}`
}

function answer(response: ServerResponse, body: string | Buffer, status = 200): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
    .end(body)
}

function sync(user: string, query: URLSearchParams, response: ServerResponse): void {
  const since = query.get('since')
  if (since === null) {
    answer(response, syncBody(committed, []))
    return
  }
  const after = Number(since)
  const missed = (roomsOf.get(user) ?? []).flatMap((room) => {
    const events = room.recent.filter((event) => event.pos > after).map((event) => event.json)
    return events.length > 0 ? [[room.id, events.join(',')] as const] : []
  })
  if (missed.length > 0) {
    answer(response, syncBody(committed, missed))
    return
  }
  const timer = setTimeout(
    () => {
      waiting.delete(user)
      answer(response, syncBody(committed, []))
    },
    Number(query.get('timeout')),
  )
  waiting.set(user, { response, timer })
}

function addWorld(text: string): void {
  const world = JSON.parse(text) as { tokens: Record<string, string>; rooms: Record<string, string[]> }
  for (const [token, user] of Object.entries(world.tokens)) users.set(token, user)
  for (const [id, members] of Object.entries(world.rooms)) {
    const room = { id, members, recent: [], last: `${id}create`, depth: 1 }
    rooms.set(id, room)
    for (const member of members) roomsOf.set(member, [...(roomsOf.get(member) ?? []), room])
  }
}

function send(user: string, path: string, text: string, response: ServerResponse): void {
  const room = rooms.get(decodeURIComponent(path.split('/')[5] ?? ''))
  if (room === undefined) {
    answer(response, '{"errcode":"M_NOT_FOUND"}', 404)
    return
  }
  queue.push(build(room, user, text, response))
  // A rejection ends the process: a reference that does not store measures nothing.
  if (!isCommitting) void commitAll()
}

function route(request: IncomingMessage, response: ServerResponse, text: string): void {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost')
  const user = users.get((request.headers.authorization ?? '').slice(7))
  if (pathname === '/world') {
    addWorld(text)
    answer(response, '{}')
  } else if (pathname === '/_matrix/client/versions') {
    answer(response, '{"versions":[]}')
  } else if (user === undefined) {
    answer(response, '{"errcode":"M_UNKNOWN_TOKEN"}', 401)
  } else if (request.method === 'PUT') {
    send(user, pathname, text, response)
  } else {
    sync(user, searchParams, response)
  }
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => route(request, response, Buffer.concat(chunks).toString()))
})
// A connection that the generator keeps may rest for longer than Node's five seconds.
server.keepAliveTimeout = keepAliveMs
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
