/**
 * `troupe start`: runs until SIGINT or SIGTERM. Then it answers what is under way, drains, and ends within five seconds; a second
 * Ctrl-C ends it at once. Nothing acknowledged is lost either way.
 */

import { once } from 'node:events'
import { resolve } from 'node:path'
import { systemClock } from '#actors/runtime/clock.ts'
import type { Config } from '../config/schema.ts'
import { consolePath } from '../console/endpoints.ts'
import { createLogger, logFacts } from '../ops/log.ts'
import type { Running } from '../running.ts'
import type { Command } from './command.ts'
import { SlowSteps } from './slow-steps.ts'

/** Milliseconds after a signal for a start that is under way to be over. */
const startedMs = 1_000
/** And for the orderly end: then everything that still waits for Postgres or NATS fails. */
const cutMs = 4_200
/** And for all of it: the process ends whatever is still going on, within the promised five seconds. */
const forcedEndMs = 4_900
/** After the orderly end: for sockets to say goodbye. */
const lastWordsMs = 200

export const start: Command = {
  name: 'start',
  usage: '',
  summary: 'Run the server',
  options: {},
  positionals: 0,
  async run({ config: readConfig, terminal, compose }) {
    const config = readConfig()
    const log = createLogger(config)
    using _facts = logFacts(log)
    using ending = listenForEnd(() =>
      terminal.write('\nEnding: what is under way is answered. Ctrl-C again ends at once.\n'),
    )
    process.on('uncaughtExceptionMonitor', (err) => log.fatal({ err }, 'the process ends by a fault'))
    const steps = new SlowSteps(systemClock, (text) => terminal.write(text))
    steps.begin('Starting.')
    const running = await starting(ending, (cut) => compose(config, { log, onProgress: steps.begin, cut }))
    steps.end()
    if (running === undefined) return 0
    await using _running = running
    terminal.write(greeting(config, running))
    if (!ending.signal.aborted) await once(ending.signal, 'abort')
    return 0
  },
}

/** What has been started; undefined when it was asked to end and would not have started in time. */
async function starting(
  ending: Ending,
  start: (cut: AbortSignal) => Promise<Running>,
): Promise<Running | undefined> {
  let isStarted = false
  ending.signal.addEventListener('abort', () =>
    systemClock.after(startedMs, () => {
      if (!isStarted) ending.cut.abort()
    }),
  )
  try {
    return await start(ending.cut.signal)
  } catch (error) {
    if (ending.cut.signal.aborted) return undefined
    throw error
  } finally {
    isStarted = true
  }
}

interface Ending extends Disposable {
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal
  /** Aborted when it has to be soon. */
  readonly cut: AbortController
}

/** The first signal asks for an orderly end; after it the system's own meaning of the signals is back. */
function listenForEnd(announce: () => void): Ending {
  const controller = new AbortController()
  const cut = new AbortController()
  // A signal that is waited for does not keep the process alive; the sockets of the server do.
  const onSignal = (): void => {
    stopListening()
    announce()
    systemClock.after(cutMs, () => cut.abort())
    endAfter(forcedEndMs)
    controller.abort()
  }
  const stopListening = (): void => {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    signal: controller.signal,
    cut,
    [Symbol.dispose]: () => {
      stopListening()
      if (controller.signal.aborted) endAfter(lastWordsMs)
    },
  }
}

/** The end, if it has not come by then. What has ended in good order has its exit code, though a socket may be left whose peer is silent. */
function endAfter(delayMs: number): void {
  systemClock.after(delayMs, () => process.exit(process.exitCode ?? 1))
}

/** What a person wants to know when the server is up. */
export function greeting(config: Config, running: Running): string {
  const lines = [`Troupe serves ${config.serverName}.`]
  if (running.listening.length > 0) {
    lines.push(`  Clients:  ${running.listening.join(', ')}`)
    lines.push(`  Console:  ${running.listening[0]}${consolePath}`)
  }
  if (running.operatorListening.length > 0) lines.push(`  Metrics:  ${running.operatorListening.join(', ')}`)
  lines.push(`  Data:     ${dataPlaces(config)}`)
  if (running.listening.length > 0) lines.push(...registrationHint(config, running))
  return `${lines.join('\n')}\n`
}

function dataPlaces(config: Config): string {
  const folder = resolve(config.dataDir)
  return config.databaseUrl === undefined ? folder : `the database of DATABASE_URL; media in ${folder}`
}

function registrationHint(config: Config, running: Running): string[] {
  const lines: string[] = []
  if (running.registrationToken !== undefined)
    lines.push(`  Registration token:  ${running.registrationToken}`)
  if (!running.isEmpty) return lines
  const [url = ''] = running.listening
  lines.push('', 'There are no accounts yet. Make the first one:', '  npx troupe user create NAME --admin')
  if (config.registration === 'open') lines.push(`or register with any Matrix client on ${url}.`)
  if (config.registration === 'token') {
    lines.push(`or register with any Matrix client on ${url}, with the registration token above.`)
  }
  return lines
}
