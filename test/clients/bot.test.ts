/** matrix-bot-sdk on a real server: a bot that was away answers what was said meanwhile, once. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type MatrixUser, register, type RoomEvent } from '../support/matrix.ts'
import { startTroupe } from '../support/process.ts'
import { within } from './person.ts'

interface Bot extends AsyncDisposable {
  /** What it has printed so far. */
  output(): string
}

/** Starts the bot and waits until it syncs. Disposing ends it as a crash would. */
async function startBot(session: MatrixUser, file: string): Promise<Bot> {
  const script = join(import.meta.dirname, 'ping-bot.ts')
  const child = spawn(process.execPath, ['--no-deprecation', script, session.url, session.token, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  let text = ''
  try {
    await within(20_000, 'the bot to start', (done) => {
      const collect = (chunk: Buffer): void => {
        text += chunk.toString()
        if (text.includes('ready\n')) done()
      }
      child.stdout.on('data', collect)
      child.stderr.on('data', collect)
    })
  } catch (error) {
    await end()
    throw new Error(`the bot does not start:\n${text}`, { cause: error })
  }
  return { output: () => text, [Symbol.asyncDispose]: end }
}

/** All messages of the room in their order, read afresh. */
async function messages(reader: MatrixUser, roomId: string): Promise<RoomEvent[]> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`
  const { chunk } = await reader.ok<{ chunk: RoomEvent[] }>('GET', path)
  return chunk.filter((event) => event.type === 'm.room.message').toReversed()
}

/** Somebody in the room who listens. */
class Listener {
  readonly user: MatrixUser
  readonly #heard = new Set<string>()
  #token: string | undefined

  constructor(user: MatrixUser) {
    this.user = user
  }

  /** Syncs until all of this has been said by the sender at some time. */
  async hears(roomId: string, sender: string, bodies: readonly string[]): Promise<void> {
    const last = await this.user.syncUntil(this.#token, (sync) => {
      for (const event of sync.rooms?.join?.[roomId]?.timeline?.events ?? []) {
        if (event.sender === sender) this.#heard.add(String(event.content['body']))
      }
      return bodies.every((body) => this.#heard.has(body))
    })
    this.#token = last.next_batch
  }
}

/** The token in the bot's file; undefined while it is being written. */
async function storedToken(file: string): Promise<string | undefined> {
  try {
    const { syncToken } = JSON.parse(await readFile(file, 'utf8')) as { readonly syncToken?: string | null }
    return syncToken ?? undefined
  } catch {
    return undefined
  }
}

/**
 * Waits until the bot has stored a token that lies behind its answer. It answers before it stores the token of the sync that asked, and one
 * that is killed in between answers again: that would be its own doing. What is said to it here always brings it another token; the
 * first one to come may still be that of an earlier sync, the second one cannot.
 */
async function untilStored(file: string, say: () => Promise<unknown>): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const before = await storedToken(file)
    await say()
    const end = performance.now() + 30_000
    for (let token = before; token === before || token === undefined; token = await storedToken(file)) {
      assert.ok(performance.now() < end, 'the bot stores its token')
      await sleep(20)
    }
  }
}

test(
  'a bot that is stopped and started again answers what was said meanwhile exactly once',
  { timeout: 90_000 },
  async () => {
    await using stack = new AsyncDisposableStack()
    const dataDir = await mkdtemp(join(tmpdir(), 'troupe-bot-'))
    stack.defer(() => rm(dataDir, { recursive: true, force: true }))
    const server = stack.use(await startTroupe({ env: { TROUPE_DATA_DIR: join(dataDir, 'server') } }))
    const alice = new Listener(await register(server.url, 'alice'))
    const session = await register(server.url, 'bot')
    const file = join(dataDir, 'bot.json')
    const roomId = await alice.user.createRoom({ preset: 'private_chat', invite: [session.userId] })
    {
      await using _bot = await startBot(session, file)
      await alice.user.syncUntil(undefined, (sync) =>
        (sync.rooms?.join?.[roomId]?.timeline?.events ?? []).some(
          (event) => event.state_key === session.userId && event.content['membership'] === 'join',
        ),
      )
      await alice.user.text(roomId, '!ping at home')
      await alice.hears(roomId, session.userId, ['pong at home'])
      await untilStored(file, () => alice.user.text(roomId, 'See you.'))
    }
    const away = ['away 1', 'away 2', 'away 3']
    for (const what of away) await alice.user.text(roomId, `!ping ${what}`)
    {
      await using _bot = await startBot(session, file)
      await alice.hears(
        roomId,
        session.userId,
        away.map((what) => `pong ${what}`),
      )
      await alice.user.text(roomId, '!ping back')
      await alice.hears(roomId, session.userId, ['pong back'])
    }
    const answers = (await messages(alice.user, roomId)).filter((event) => event.sender === session.userId)
    assert.deepEqual(
      new Map(
        [...Map.groupBy(answers, (event) => event.content['body'])].map(([body, all]) => [body, all.length]),
      ),
      new Map(['at home', ...away, 'back'].map((what) => [`pong ${what}`, 1])),
      'every question is answered once',
    )
  },
)
