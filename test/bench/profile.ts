/** A CPU profile of a running Node process, taken through its inspector. */

import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
const replyLimitMs = 30_000
const sampleUs = 200
/** A sample that stands for longer was late, as when the process did not run; what it hit says nothing about that time. */
const sampleUsMax = 5 * sampleUs

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: CallFrame
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** A function and the share (0 to 1) of the busy time spent in itself. */
export interface ProfileEntry {
  readonly name: string
  readonly share: number
}

/** Profiles the process whose output names its inspector, for as long as `during` takes. */
export async function profileDuring(output: string, during: () => Promise<unknown>): Promise<Profile> {
  const url = /Debugger listening on (ws:\S+)/.exec(output)?.[1]
  if (url === undefined) throw new Error('the process has no inspector')
  const socket = new WebSocket(url)
  try {
    await event(socket, 'open')
    let id = 0
    const call = async (method: string, params = {}): Promise<unknown> => {
      const reply = answerTo(socket, ++id)
      socket.send(JSON.stringify({ id, method, params }))
      return reply
    }
    await call('Profiler.enable')
    await call('Profiler.setSamplingInterval', { interval: sampleUs })
    await call('Profiler.start')
    await during()
    const { profile } = (await call('Profiler.stop')) as { profile: Profile }
    return profile
  } finally {
    socket.close()
  }
}

function event(socket: WebSocket, name: 'open'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener(name, () => resolve(), { once: true })
    socket.addEventListener('error', () => reject(new Error('the inspector does not answer')), { once: true })
  })
}

function answerTo(socket: WebSocket, id: number): Promise<unknown> {
  const done = new AbortController()
  const limit = AbortSignal.timeout(replyLimitMs)
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      done.abort()
      settle()
    }
    limit.addEventListener('abort', () => finish(() => reject(new Error('the inspector does not answer'))), {
      signal: done.signal,
    })
    const take = (message: MessageEvent): void => {
      const reply = JSON.parse(String(message.data)) as {
        id?: number
        result?: unknown
        error?: { message: string }
      }
      if (reply.id !== id) return
      finish(() => (reply.error ? reject(new Error(reply.error.message)) : resolve(reply.result)))
    }
    socket.addEventListener('message', take, { signal: done.signal })
  })
}

function nameOf({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') return name
  const path = url.startsWith('file:') ? fileURLToPath(url).replace(`${root}/`, '') : url
  return `${name} ${path}:${lineNumber + 1}`
}

/** The functions in which the process spent most, greatest first. */
export function topSelfTime(profile: Profile, count: number): ProfileEntry[] {
  const frames = new Map(profile.nodes.map((node) => [node.id, nameOf(node.callFrame)]))
  const times = new Map<string, number>()
  let busy = 0
  profile.samples.forEach((id, index) => {
    const name = frames.get(id) ?? '(unknown)'
    const time = Math.min(sampleUsMax, Math.max(0, profile.timeDeltas[index] ?? 0))
    if (name === '(idle)') return
    busy += time
    times.set(name, (times.get(name) ?? 0) + time)
  })
  return [...times]
    .map(([name, time]) => ({ name, share: time / busy }))
    .toSorted((a, b) => b.share - a.share)
    .slice(0, count)
}
