/** The NATS servers, each for itself, and what this process may do there. */

import { createConnection, type Socket } from 'node:net'
import { type Bus, BusError } from '#actors/bus/bus.ts'
import { parseNatsUrl } from '#actors/bus/nats-url.ts'
import { ownershipSubject, statusSubject } from '#actors/bus/subjects.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'
import type { Config } from '../../config/schema.ts'
import { endOfFile, endOfServed, validityFinding } from './certificate.ts'
import { bytesInWords, type Finding, problem, reasonOf, warning, well } from './finding.ts'

const area = 'NATS'
const certificateArea = 'NATS certificate'
const answerMs = 3_000
/** Smaller messages than these would be cut into very many parts. */
const leastPayload = 64 * 1024
const oldestVersion = [2, 10] as const
const slowMs = 50

export async function examineNats(config: Config, nowMs = systemClock.now()): Promise<Finding[]> {
  const { natsUrls } = config
  if (natsUrls === undefined || natsUrls.length === 0) {
    return [well(area, 'not set: this process is alone, and needs none')]
  }
  const url = natsUrls.join(',')
  const { servers } = parseNatsUrl(url)
  const [greetings, own, permissions] = await Promise.all([
    Promise.all(servers.map((server) => examineServer(server, nowMs))),
    examineOwnCertificate(config, nowMs),
    examinePermissions(url, config),
  ])
  return [...greetings.flat(), ...own, ...permissions]
}

/** The line with which a server greets, as far as it is of interest. */
interface Greeting {
  readonly version: string
  readonly max_payload: number
  /** It speaks TLS after the greeting. */
  readonly tls_available?: boolean
  readonly tls_required?: boolean
}

async function examineServer(server: string, nowMs: number): Promise<Finding[]> {
  try {
    const told = await greeting(server)
    const speaksTls = told.tls_available === true || told.tls_required === true
    const certificate = speaksTls ? [await examineCertificate(server, nowMs)] : []
    return [...greetingFindings(server, told), ...certificate]
  } catch (error) {
    return [
      problem(
        area,
        `${server} does not answer: ${reasonOf(error)}`,
        'Start nats-server there, open the firewall, or correct NATS_URL.',
      ),
    ]
  }
}

function greetingFindings(server: string, { version, max_payload: payload }: Greeting): Finding[] {
  const findings = [well(area, `${server} runs ${version}, messages up to ${bytesInWords(payload)}`)]
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < oldestVersion[0] || (major === oldestVersion[0] && minor < oldestVersion[1])) {
    findings.push(
      warning(
        area,
        `${server} is older than ${oldestVersion.join('.')}`,
        'Update nats-server, one node after the other.',
      ),
    )
  }
  if (payload < leastPayload) {
    findings.push(
      warning(
        area,
        `${server} takes only messages of ${bytesInWords(payload)}`,
        'Set max_payload to 1MB in nats.conf: larger messages are cut into parts.',
      ),
    )
  }
  return findings
}

/** The certificate that a server shows after its greeting. */
async function examineCertificate(server: string, nowMs: number): Promise<Finding> {
  const remedy = 'Renew it and reload nats-server (nats-server --signal reload), one node after the other.'
  try {
    const endMs = await endOfServed({ ...addressOf(server), before: greetingOn, limitMs: answerMs })
    return validityFinding(certificateArea, { of: server, endMs, remedy }, nowMs)
  } catch (error) {
    return problem(certificateArea, `none of ${server} could be seen: ${reasonOf(error)}`, remedy)
  }
}

/** That by which this process shows who it is, if there is one. */
async function examineOwnCertificate({ natsCert }: Config, nowMs: number): Promise<Finding[]> {
  if (natsCert === undefined) return []
  const remedy = 'Renew the file that TROUPE_NATS_CERT names, and restart the processes one after the other.'
  try {
    const endMs = await endOfFile(natsCert)
    return [validityFinding(certificateArea, { of: 'this process', endMs, remedy }, nowMs)]
  } catch (error) {
    return [problem(certificateArea, `that in ${natsCert} cannot be read: ${reasonOf(error)}`, remedy)]
  }
}

function addressOf(server: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`nats://${server}`)
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

async function greeting(server: string): Promise<Greeting> {
  const socket = createConnection(addressOf(server))
  try {
    return await greetingOn(socket)
  } finally {
    socket.destroy()
  }
}

/** Reads it and leaves the connection open. */
function greetingOn(socket: Socket): Promise<Greeting> {
  const { promise, resolve, reject } = Promise.withResolvers<Greeting>()
  const timer = systemClock.after(answerMs, () => reject(new Error(`no greeting in ${answerMs} ms`)))
  let text = ''
  const read = (chunk: Buffer): void => {
    text += chunk.toString()
    if (!text.includes('\r\n') && text.length < 64 * 1024) return
    const [, json] = /^INFO (\{.*\})\s*\r\n/.exec(text) ?? []
    if (json === undefined) return reject(new Error('what answers is not a NATS server'))
    // The cast states what every NATS server greets with.
    resolve(JSON.parse(json) as Greeting)
  }
  socket.on('data', read)
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the connection was closed')))
  return promise.finally(() => {
    timer.cancel()
    socket.off('data', read)
  })
}

async function examinePermissions(url: string, config: Config): Promise<Finding[]> {
  const tls = { caFile: config.natsCa, certFile: config.natsCert, keyFile: config.natsKey }
  const options = {
    url,
    name: 'troupe doctor',
    tls,
    clock: systemClock,
    random: systemRandom,
    waitMs: answerMs,
  }
  const { connectNatsBus } = await import('#actors/bus/nats.ts')
  await using bus = await connectNatsBus(options)
  if (!bus.healthy) {
    return [
      problem(
        area,
        'no connection was made',
        'If the servers answer above: check user, password and TLS in NATS_URL and TROUPE_NATS_CA; the log of nats-server names the reason.',
      ),
    ]
  }
  const needs = config.roles.has('actors') ? 'actors' : 'gateway'
  const remedy = `Use the user "${needs}" of nats.conf in NATS_URL, or give this user what nats.conf gives to that one.`
  const refused = await refusals(bus, config)
  const permissions =
    refused.length === 0
      ? well(area, `this user may do what a process with the role ${[...config.roles].join(' and ')} does`)
      : problem(area, `this user may not ${refused.join(', nor ')}`, remedy)
  return [permissions, await roundTrip(bus)]
}

/** What the server does not let this process do, in words. */
async function refusals(bus: Bus, config: Config): Promise<string[]> {
  const hears = await isAllowed(() => bus.subscribe(ownershipSubject, () => {}))
  const serves =
    !config.roles.has('actors') ||
    (await isAllowed(() => bus.serve(statusSubject('0'), async () => ({ head: null }))))
  return [...(hears ? [] : ['hear who owns what']), ...(serves ? [] : ['serve requests as a host'])]
}

async function isAllowed(subscribe: () => Promise<{ close(): Promise<void> }>): Promise<boolean> {
  try {
    const subscription = await subscribe()
    await subscription.close()
    return true
  } catch (error) {
    if (error instanceof BusError) return false
    throw error
  }
}

/** A request to nobody: the server itself answers that there is nobody. */
async function roundTrip(bus: Bus): Promise<Finding> {
  const startMs = systemClock.monotonic()
  const outcome = await bus.request(statusSubject('1'), { head: null }, { timeoutMs: answerMs }).then(
    () => 'answered',
    (error: unknown) => (error instanceof BusError ? error.kind : 'failed'),
  )
  const ms = systemClock.monotonic() - startMs
  const what = `a round trip takes ${ms.toFixed(1)} ms`
  if (outcome !== 'no-responders') {
    return problem(
      area,
      `a request to nobody ended with ${outcome} after ${Math.round(ms)} ms`,
      'Let this user publish on status.*, as nats.conf does; the log of nats-server names what it refuses.',
    )
  }
  if (ms <= slowMs) return well(area, what)
  return warning(
    area,
    what,
    'Put NATS and the processes of Troupe into one network: every request crosses it twice.',
  )
}
