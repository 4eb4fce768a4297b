/**
 * A headless Chromium with one page, driven over its DevTools protocol: opens addresses, runs expressions in the page, types, clicks,
 * and takes pictures. What the page logs as an error is kept, so that a test can demand that there was none.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { browserBinary } from './browser-binary.ts'

const startMs = 30_000
const commandMs = 15_000

export interface ScreenSize {
  readonly width: number
  readonly height: number
  readonly mobile?: boolean
}

export interface Browser extends AsyncDisposable {
  readonly page: Page
}

/** Starts a browser of its own, with an empty profile, and ends it when disposed. */
export async function startBrowser(size: ScreenSize = { width: 1280, height: 900 }): Promise<Browser> {
  await using stack = new AsyncDisposableStack()
  const profile = await mkdtemp(join(tmpdir(), 'troupe-browser-'))
  stack.defer(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }))
  const args = [
    '--headless=new',
    '--remote-debugging-port=0',
    `--user-data-dir=${profile}`,
    '--no-first-run',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-extensions',
    '--disable-background-networking',
    '--disable-component-update',
    '--hide-scrollbars',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    'about:blank',
  ]
  const child = spawn(await browserBinary(), args, { stdio: ['ignore', 'ignore', 'pipe'] })
  stack.defer(() => end(child))
  const connection = stack.use(await Connection.open(await devToolsUrl(child)))
  const { targetId } = await connection.command('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await connection.command('Target.attachToTarget', { targetId, flatten: true })
  const page = new Page(connection, String(sessionId))
  await page.prepare(size)
  const owned = stack.move()
  return { page, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function devToolsUrl(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let output = ''
  const fail = (why: string): void => reject(new Error(`Chromium ${why}:\n${output.slice(-4000)}`))
  const timer = setTimeout(() => fail('is not ready in time'), startMs)
  child.once('error', (error) => fail(error.message))
  child.once('exit', (code) => fail(`ended with ${code}`))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text
    const [, url] = /DevTools listening on (ws:\/\/\S+)/.exec(output) ?? []
    if (url !== undefined) resolve(url)
  })
  return promise.finally(() => clearTimeout(timer))
}

type Fields = Record<string, unknown>

interface Waiting {
  readonly resolve: (result: Fields) => void
  readonly reject: (error: Error) => void
}

class Connection implements Disposable {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<(method: string, params: Fields) => void>()
  #next = 1

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#receive(String(data)))
    socket.addEventListener('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('The browser has gone.'))
      this.#waiting.clear()
    })
  }

  static async open(url: string): Promise<Connection> {
    const socket = new WebSocket(url)
    const signal = AbortSignal.timeout(commandMs)
    await once(socket, 'open', { signal })
    return new Connection(socket)
  }

  onEvent(listener: (method: string, params: Fields) => void): void {
    this.#listeners.add(listener)
  }

  command(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = this.#next++
    const { promise, resolve, reject } = Promise.withResolvers<Fields>()
    this.#waiting.set(id, { resolve, reject })
    const timer = setTimeout(() => reject(new Error(`Chromium did not answer ${method}`)), commandMs)
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }))
    return promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(id)
    })
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }

  #receive(text: string): void {
    // The cast states what the protocol sends: an answer with an id, or an event with a method.
    const message = JSON.parse(text) as {
      id?: number
      result?: Fields
      error?: { message: string }
      method?: string
      params?: Fields
    }
    if (message.method !== undefined) {
      for (const listener of this.#listeners) listener(message.method, message.params ?? {})
      return
    }
    const waiting = this.#waiting.get(message.id ?? 0)
    if (message.error !== undefined) waiting?.reject(new Error(message.error.message))
    else waiting?.resolve(message.result ?? {})
  }
}

export class Page {
  /** What went wrong in the page: exceptions, errors in its console, requests that its policy blocked. */
  readonly complaints: string[] = []
  readonly #connection: Connection
  readonly #sessionId: string

  constructor(connection: Connection, sessionId: string) {
    this.#connection = connection
    this.#sessionId = sessionId
    connection.onEvent((method, params) => this.#onEvent(method, params))
  }

  async prepare(size: ScreenSize): Promise<void> {
    await this.#command('Runtime.enable')
    await this.#command('Log.enable')
    await this.#command('Page.enable')
    await this.resize(size)
  }

  async resize({ width, height, mobile = false }: ScreenSize): Promise<void> {
    await this.#command('Emulation.setDeviceMetricsOverride', { width, height, mobile, deviceScaleFactor: 1 })
  }

  /** As if the person had chosen so in the system's settings. */
  async prefer(scheme: 'light' | 'dark'): Promise<void> {
    const features = [{ name: 'prefers-color-scheme', value: scheme }]
    await this.#command('Emulation.setEmulatedMedia', { features })
  }

  async open(url: string): Promise<void> {
    const { errorText } = await this.#command('Page.navigate', { url })
    if (errorText !== undefined) throw new Error(`${url}: ${JSON.stringify(errorText)}`)
  }

  /** The value of an expression in the page, of JSON's kinds. Rejects with what it throws. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.#command('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    })
    const { result, exceptionDetails } = answer as {
      result: { value?: unknown }
      exceptionDetails?: { exception?: { description?: string } }
    }
    if (exceptionDetails !== undefined)
      throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? 'it threw'}`)
    return result.value
  }

  /** Waits until the expression is true, at most `limitMs`. */
  async until(expression: string, limitMs = 15_000): Promise<void> {
    const endMs = performance.now() + limitMs
    while ((await this.evaluate(`Boolean(${expression})`)) !== true) {
      if (performance.now() > endMs) {
        const text = String(await this.evaluate('document.body.innerText'))
        throw new Error(
          `not true after ${limitMs} ms: ${expression}\n${this.complaints.join('\n')}\n${text.slice(0, 2000)}`,
        )
      }
      await sleep(50)
    }
  }

  /** Puts text into a field, as typing does. */
  async type(selector: string, text: string): Promise<void> {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).focus()`)
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).select()`)
    await this.#command('Input.insertText', { text })
  }

  /** Presses the middle of an element with the mouse, which must be where it can be seen. */
  async click(selector: string): Promise<void> {
    const point = (await this.evaluate(`(() => {
      const node = document.querySelector(${JSON.stringify(selector)})
      node.scrollIntoView({ block: 'center' })
      const box = node.getBoundingClientRect()
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
    })()`)) as { x: number; y: number }
    const mouse = { ...point, button: 'left', clickCount: 1 }
    await this.#command('Input.dispatchMouseEvent', { type: 'mousePressed', ...mouse })
    await this.#command('Input.dispatchMouseEvent', { type: 'mouseReleased', ...mouse })
  }

  async press(key: string): Promise<void> {
    await this.#command('Input.dispatchKeyEvent', { type: 'keyDown', key })
    await this.#command('Input.dispatchKeyEvent', { type: 'keyUp', key })
  }

  /** The accessible name that assistive technology reads for an element. */
  async accessibleName(selector: string): Promise<string> {
    const { root } = await this.#command('DOM.getDocument')
    const { nodeId } = await this.#command('DOM.querySelector', {
      nodeId: (root as { nodeId: number }).nodeId,
      selector,
    })
    const { nodes } = await this.#command('Accessibility.getPartialAXTree', { nodeId, fetchRelatives: false })
    const [node] = nodes as { name?: { value?: string } }[]
    return node?.name?.value ?? ''
  }

  /** Writes a PNG of the whole page. */
  async picture(file: string): Promise<void> {
    const { data } = await this.#command('Page.captureScreenshot', {
      format: 'png',
      captureBeyondViewport: true,
    })
    await writeFile(file, Buffer.from(String(data), 'base64'))
  }

  #command(method: string, params: Fields = {}): Promise<Fields> {
    return this.#connection.command(method, params, this.#sessionId)
  }

  #onEvent(method: string, params: Fields): void {
    if (method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params['exceptionDetails']))
    if (method === 'Runtime.consoleAPICalled' && params['type'] === 'error')
      this.complaints.push(JSON.stringify(params['args']))
    if (method === 'Log.entryAdded') {
      const entry = params['entry'] as { level: string; text: string; url?: string }
      if (entry.level === 'error') this.complaints.push(`${entry.text} ${entry.url ?? ''}`)
    }
  }
}
