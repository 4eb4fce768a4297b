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

/** Milliseconds after a signal at which the process ends whatever is still going on: within the promised five seconds. */
const forcedEndMs = 4_900

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
    const running = await compose(config, { log, onProgress: steps.begin })
    steps.end()
    await using _running = running
    terminal.write(greeting(config, running))
    if (!ending.signal.aborted) await once(ending.signal, 'abort')
    return 0
  },
}

/** The first signal asks for an orderly end; after it the system's own meaning of the signals is back. */
function listenForEnd(announce: () => void): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  // A signal that is waited for does not keep the process alive; the sockets of the server do.
  const onSignal = (): void => {
    stopListening()
    announce()
    systemClock.after(forcedEndMs, () => process.exit(1))
    controller.abort()
  }
  const stopListening = (): void => {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return { signal: controller.signal, [Symbol.dispose]: stopListening }
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
