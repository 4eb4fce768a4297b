/** What clients that are given the server's name find there (Client-server API v1.19, "Well-known URIs"). */

import { parseJson } from '#protocol/json/parse.ts'
import type { Config } from '../../config/schema.ts'
import { type Finding, problem, reasonOf, warning, well } from './finding.ts'

const area = 'well-known'
/** For all of it, redirects included. */
const answerMs = 5_000
const mostRedirects = 5

/** Where a client looks that is given the server's name. */
export function wellKnownUrl(serverName: string): string {
  return `https://${serverName}/.well-known/matrix/client`
}

/** Nothing is looked for without a public URL, or where the server's name is an address. */
export async function examineWellKnown(
  config: Config,
  url = wellKnownUrl(config.serverName),
): Promise<Finding[]> {
  if (config.publicUrl === undefined || !isDomain(config.serverName)) return []
  const wanted = `{"m.homeserver":{"base_url":"${config.publicUrl}"}}`
  const remedy = `Let the web server of ${config.serverName} answer there with ${wanted} and access-control-allow-origin: *`
  try {
    const { status, text, withoutCors } = await ask(url)
    if (status !== 200) return [problem(area, `${url} answers ${status}`, remedy)]
    const told = baseUrlOf(text)
    if (told !== config.publicUrl)
      return [problem(area, `${url} says ${told ?? 'nothing that clients understand'}`, remedy)]
    if (withoutCors !== undefined)
      return [warning(area, `${withoutCors} is not for browsers: its CORS header is missing`, remedy)]
    return [well(area, `${url} names ${told}`)]
  } catch (error) {
    return [problem(area, `${url} does not answer: ${reasonOf(error)}`, remedy)]
  }
}

interface Answer {
  readonly status: number
  readonly text: string
  /** The first URL on the way whose answer a browser would not let a client see. */
  readonly withoutCors: string | undefined
}

/** Follows redirects by hand: a browser gives up at the first one without the header, and `fetch` here does not. */
async function ask(url: string): Promise<Answer> {
  const signal = AbortSignal.timeout(answerMs)
  let at = url
  let withoutCors: string | undefined
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await fetch(at, { redirect: 'manual', signal })
    if (response.headers.get('access-control-allow-origin') !== '*') withoutCors ??= at
    const { status } = response
    const text = await response.text()
    const next = response.headers.get('location')
    if (status < 300 || status > 399 || next === null) return { status, text, withoutCors }
    at = new URL(next, at).href
  }
  throw new Error(`it leads on to somewhere else more than ${mostRedirects} times`)
}

/** Undefined where the text does not say it. */
export function baseUrlOf(text: string): string | undefined {
  try {
    const body = parseJson(text) as { readonly 'm.homeserver'?: { readonly base_url?: unknown } } | null
    const url = body?.['m.homeserver']?.base_url
    return typeof url === 'string' ? url.replace(/\/+$/, '') : undefined
  } catch {
    return undefined
  }
}

/** Names with a dot that are no addresses: only those have a well-known document. */
function isDomain(serverName: string): boolean {
  return /^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(serverName) && !/^[0-9.]+$/.test(serverName)
}
