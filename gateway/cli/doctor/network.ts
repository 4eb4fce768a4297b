/** How the server is reached from outside: its public URL, the certificate there, and what well-known tells clients. */

import { publicUrl } from '../../config/public-url.ts'
import type { Config } from '../../config/schema.ts'
import { localUrl } from '../look.ts'
import { endOfServed, validityFinding } from './certificate.ts'
import { type Finding, problem, reasonOf, warning, well } from './finding.ts'
import { examineWellKnown } from './well-known.ts'

const urlArea = 'public URL'
const certificateArea = 'certificate'
const gatewayArea = 'gateway'
const answerMs = 5_000

export async function examineNetwork(config: Config, nowMs: number): Promise<Finding[]> {
  const parts = [
    examineGateway(config),
    examinePublicUrl(config),
    examineWellKnown(config),
    examineCertificate(config, nowMs),
  ]
  return (await Promise.all(parts)).flat()
}

/** The gateway on this machine, if this machine is to have one. */
async function examineGateway(config: Config): Promise<Finding[]> {
  if (!config.roles.has('gateway')) return []
  const url = `${localUrl(config)}/ready`
  try {
    const response = await get(url)
    if (response.ok) return [well(gatewayArea, `${localUrl(config)} is ready`)]
    return [
      problem(gatewayArea, `${url} says: ${(await response.text()).slice(0, 300)}`, 'Its log says more.'),
    ]
  } catch (error) {
    return [
      warning(
        gatewayArea,
        `nobody answers on ${localUrl(config)}: ${reasonOf(error)}`,
        'Start it (npx troupe start), or call this command with the TROUPE_LISTEN of one that runs.',
      ),
    ]
  }
}

async function examinePublicUrl(config: Config): Promise<Finding[]> {
  if (config.publicUrl === undefined) {
    return [
      warning(
        urlArea,
        `not set: clients are told ${publicUrl(config)}`,
        'Set TROUPE_PUBLIC_URL to the https address of the proxy, unless all clients run on this machine.',
      ),
    ]
  }
  const url = `${config.publicUrl}/_matrix/client/versions`
  const remedy =
    'Let the proxy pass everything under /_matrix, /.well-known/matrix and /_troupe on to a gateway.'
  try {
    const response = await get(url)
    const body = (await response.json()) as { readonly versions?: unknown }
    if (!response.ok || !Array.isArray(body.versions))
      return [problem(urlArea, `${url} answers ${response.status}, and not as a Matrix server`, remedy)]
    const cors = response.headers.get('access-control-allow-origin')
    if (cors !== '*') {
      return [
        problem(
          urlArea,
          `${url} has the CORS header ${cors ?? 'missing'}`,
          'Let the proxy pass headers on as they are: exactly one *.',
        ),
      ]
    }
    return [well(urlArea, `${config.publicUrl} answers as a Matrix server`)]
  } catch (error) {
    return [problem(urlArea, `${url} does not answer: ${reasonOf(error)}`, remedy)]
  }
}

async function examineCertificate({ publicUrl: url }: Config, nowMs: number): Promise<Finding[]> {
  if (url === undefined || !url.startsWith('https:')) return []
  try {
    return [certificateFinding(new URL(url).hostname, await certificateEnd(url), nowMs)]
  } catch (error) {
    return [
      problem(
        certificateArea,
        `none of ${url} could be seen: ${reasonOf(error)}`,
        'See the public URL above.',
      ),
    ]
  }
}

export function certificateFinding(of: string, endMs: number, nowMs: number): Finding {
  const remedy = 'Renew it; most proxies can do so by themselves (ACME).'
  return validityFinding(certificateArea, { of, endMs, remedy }, nowMs)
}

/** Whether it is trusted is what the requests above find out. */
function certificateEnd(url: string): Promise<number> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return endOfServed({ host, port: Number(port || 443), limitMs: answerMs })
}

function get(url: string): Promise<Response> {
  return fetch(url, { signal: AbortSignal.timeout(answerMs) })
}
