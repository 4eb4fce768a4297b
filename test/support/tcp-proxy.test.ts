/** Each fault of a bad line does what it says, and nothing else. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { startLine, type Line } from './tcp-proxy.ts'

interface Stage extends AsyncDisposable {
  readonly line: Line
  /** A new connection over the line. */
  open(): Promise<Socket>
  /** Says something; resolves with the first answer, or with undefined when there is none in the time given. */
  ask(socket: Socket, text: string, limitMs?: number): Promise<string | undefined>
}

/** A server that answers whatever it gets with the same, behind a line. */
async function stage(prefix = ''): Promise<Stage> {
  await using stack = new AsyncDisposableStack()
  const echo = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => socket.write(prefix + String(chunk)))
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  stack.defer(() => void echo.close())
  const line = stack.use(await startLine({ port: (echo.address() as AddressInfo).port }))
  const sockets: Socket[] = []
  stack.defer(() => sockets.forEach((socket) => socket.destroy()))
  const owned = stack.move()
  return {
    line,
    async open() {
      const socket = connect(line.port, '127.0.0.1')
      socket.on('error', () => {})
      sockets.push(socket)
      await once(socket, 'connect')
      return socket
    },
    async ask(socket, text, limitMs = 5000) {
      const answer = once(socket, 'data', { signal: AbortSignal.timeout(limitMs) })
      socket.write(text)
      return answer.then(
        ([chunk]) => String(chunk),
        () => undefined,
      )
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const shortMs = 150

test('a good line passes what comes, and its end', { timeout: 10_000 }, async () => {
  await using one = await stage()
  const socket = await one.open()
  assert.equal(await one.ask(socket, 'hello'), 'hello')
  assert.equal(one.line.connections, 1)
  socket.end()
  await once(socket, 'close')
})

test('a slow line delivers later, and a narrow one no faster than it may', { timeout: 10_000 }, async () => {
  await using one = await stage()
  const socket = await one.open()
  one.line.slow({ delayMs: 120 })
  let beganMs = performance.now()
  assert.equal(await one.ask(socket, 'late'), 'late')
  assert.ok(performance.now() - beganMs >= 235, 'both ways are slow')
  one.line.slow({ bytesPerSecond: 10_000 }, ['request'])
  one.line.heal()
  one.line.slow({ bytesPerSecond: 10_000 }, ['answer'])
  beganMs = performance.now()
  assert.equal((await one.ask(socket, 'x'.repeat(2000)))?.length, 2000)
  assert.ok(performance.now() - beganMs >= 195)
})

test(
  'what is held back arrives whole and in order when the line is healed',
  { timeout: 10_000 },
  async () => {
    await using one = await stage()
    const socket = await one.open()
    one.line.hold(['answer'])
    assert.equal(await one.ask(socket, 'a', shortMs), undefined)
    const answer = once(socket, 'data')
    one.line.heal()
    assert.equal(String((await answer)[0]), 'a')
    assert.equal(await one.ask(socket, 'b'), 'b')
  },
)

test(
  'a silent connection stays dead though the line is healed, and a new one is good',
  { timeout: 10_000 },
  async () => {
    await using one = await stage()
    const dead = await one.open()
    assert.equal(await one.ask(dead, 'a'), 'a')
    one.line.silence()
    one.line.heal()
    assert.equal(await one.ask(dead, 'b', shortMs), undefined)
    assert.equal(dead.destroyed, false)
    assert.equal(await one.ask(await one.open(), 'c'), 'c')
  },
)

test('a line that refuses resets new connections and keeps the old', { timeout: 10_000 }, async () => {
  await using one = await stage()
  const old = await one.open()
  one.line.refuse()
  await assert.rejects(async () => once(await one.open(), 'data'), { code: 'ECONNRESET' })
  assert.equal(await one.ask(old, 'still'), 'still')
  const ended = once(old, 'data')
  one.line.reset()
  await assert.rejects(ended, { code: 'ECONNRESET' })
  one.line.heal()
  assert.equal(await one.ask(await one.open(), 'again'), 'again')
})

test('a line leads elsewhere when it is told so', { timeout: 10_000 }, async () => {
  await using one = await stage()
  await using other = await stage('other ')
  const old = await one.open()
  assert.equal(await one.ask(old, 'a'), 'a')
  one.line.redirect({ port: other.line.port })
  assert.equal(await one.ask(old, 'b'), 'b')
  assert.equal(await one.ask(await one.open(), 'c'), 'other c')
})

test('a lost answer and a cut request end the connection once', { timeout: 10_000 }, async () => {
  await using one = await stage()
  for (const fault of ['loseNextAnswer', 'cutNextRequest'] as const) {
    const socket = await one.open()
    one.line[fault]()
    assert.equal(await one.ask(socket, 'never', 2 * shortMs), undefined)
    assert.ok(socket.destroyed || (await once(socket, 'close')))
    assert.equal(await one.ask(await one.open(), 'again'), 'again')
  }
})

test(
  'of a request with a certain text the end is kept back until the line is healed',
  { timeout: 10_000 },
  async () => {
    await using one = await stage()
    const socket = await one.open()
    const seen = one.line.keepEndOfRequest('this', 2)
    assert.equal(await one.ask(socket, 'not that'), 'not that')
    assert.equal(await one.ask(socket, 'this one'), 'this o')
    await seen
    assert.equal(await one.ask(await one.open(), 'this other'), 'this other')
    const end = once(socket, 'data')
    one.line.heal()
    assert.equal(String((await end)[0]), 'ne')
  },
)
