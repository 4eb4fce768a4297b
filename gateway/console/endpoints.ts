/**
 * The operator's page, `GET /_troupe/console`: files that lie beside this one, as they are. The page itself holds no data; what
 * it shows it asks for with the access token of an administrator.
 */

import { readFileSync } from 'node:fs'
import { Answer, type AnyEndpoint, defineEndpoint } from '../http/endpoint.ts'

/** Where the page is. */
export const consolePath = '/_troupe/console'

const files = [
  { path: [consolePath, `${consolePath}/`], name: 'console.html', type: 'text/html' },
  { path: `${consolePath}/console.css`, name: 'console.css', type: 'text/css' },
  { path: `${consolePath}/console.js`, name: 'console.js', type: 'text/javascript' },
  { path: `${consolePath}/picture.js`, name: 'picture.js', type: 'text/javascript' },
  { path: `${consolePath}/chart.js`, name: 'chart.js', type: 'text/javascript' },
  { path: `${consolePath}/elements.js`, name: 'elements.js', type: 'text/javascript' },
] as const

/** Nothing is loaded from elsewhere, nothing in the page's text is run, and no other page may frame it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The endpoints of the page's files, which are read once, here. */
export function consoleEndpoints(): AnyEndpoint[] {
  return files.map(({ path, name, type }) => {
    const text = readFileSync(new URL(name, import.meta.url), 'utf8')
    const headers = {
      'content-type': `${type}; charset=utf-8`,
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    }
    return defineEndpoint({
      method: 'GET',
      path,
      auth: 'none',
      rateLimit: 'none',
      body: { kind: 'none' },
      handle: () => new Answer(200, headers, text),
    })
  })
}
