/**
 * `GET /` in a browser: what this is, whether it is well, and what to do next. One file without scripts or foreign resources.
 */

import { createHash } from 'node:crypto'
import { publicUrl } from './config/public-url.ts'
import type { Config } from './config/schema.ts'
import { Answer, type AnyEndpoint, defineEndpoint } from './http/endpoint.ts'
import type { Readiness } from './ops/health.ts'

const style = `
:root{color-scheme:light dark;--paper:#fbfaf7;--ink:#1d1c1a;--soft:#6b6862;--line:#e3dfd6;--card:#fff;--well:#2f7d4f;--ill:#b3382c;--accent:#7a3e9d}
@media(prefers-color-scheme:dark){:root{--paper:#161518;--ink:#ece9e4;--soft:#a09b93;--line:#2f2d33;--card:#1e1d21;--well:#6fcf97;--ill:#ff8a7a;--accent:#c79be6}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.6 ui-serif,Georgia,"Times New Roman",serif}
main{max-width:42rem;margin:0 auto;padding:12vh 1.5rem 4rem}
.curtain{height:6px;background:repeating-linear-gradient(90deg,var(--accent) 0 14px,color-mix(in srgb,var(--accent) 70%,#000) 14px 20px)}
h1{font-size:2.6rem;line-height:1.1;margin:0;letter-spacing:-.02em}
.lead{color:var(--soft);margin:.4rem 0 2rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.2rem 1.5rem;margin:1rem 0}
h2{font:600 .8rem/1 ui-sans-serif,system-ui,sans-serif;text-transform:uppercase;letter-spacing:.08em;color:var(--soft);margin:0 0 .8rem}
p{margin:.4rem 0}
ol,ul{margin:.4rem 0;padding-left:1.3rem}
.state{display:flex;align-items:center;gap:.6rem;font-weight:600}
.state::before{content:"";width:.7rem;height:.7rem;border-radius:50%;background:currentColor}
.well{color:var(--well)}.ill{color:var(--ill)}
code{font:.88em/1.4 ui-monospace,SFMono-Regular,Menlo,monospace;background:color-mix(in srgb,var(--line) 55%,transparent);padding:.1em .35em;border-radius:4px;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:.85rem;margin-top:2rem}
a{color:var(--accent)}
`

const styleHash = createHash('sha256').update(style).digest('base64')

const headers: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** Text in which HTML has no meaning. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)
}

/** `GET /`. */
export function frontPageEndpoint(readiness: Readiness, version: string): AnyEndpoint {
  return defineEndpoint({
    method: 'GET',
    path: '/',
    auth: 'none',
    rateLimit: 'none',
    body: { kind: 'none' },
    handle: ({ config }) => new Answer(200, headers, renderFrontPage(config, readiness.problems(), version)),
  })
}

/** The page as HTML. */
export function renderFrontPage(
  config: Config,
  problems: ReadonlyMap<string, string>,
  version: string,
): string {
  const name = escapeHtml(config.serverName)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name} – Matrix homeserver</title>
<style>${style}</style>
</head>
<body>
<div class="curtain"></div>
<main>
<h1>${name}</h1>
<p class="lead">A <a href="https://matrix.org/">Matrix</a> homeserver. People with an account here can talk to each other, encrypted, with the client of their choice.</p>
${stateSection(problems)}
${nextSection(config)}
<footer>Troupe ${escapeHtml(version)} · <a href="/_matrix/client/versions">versions</a> · <a href="/ready">readiness</a></footer>
</main>
</body>
</html>
`
}

function stateSection(problems: ReadonlyMap<string, string>): string {
  if (problems.size === 0) return '<section><h2>State</h2><p class="state well">All is well.</p></section>'
  const items = [...problems].map(([what, why]) => `<li>${escapeHtml(`${what} ${why}`)}</li>`)
  return `<section><h2>State</h2><p class="state ill">Not everything is well.</p><ul>${items.join('')}</ul></section>`
}

function nextSection(config: Config): string {
  const url = escapeHtml(publicUrl(config))
  return `<section><h2>What to do next</h2>
<ol>
<li>${registrationAdvice(config)}</li>
<li>Open a Matrix client, choose <em>other homeserver</em>, and enter <code>${url}</code>.</li>
<li>Sign in. Your user id is <code>@you:${escapeHtml(config.serverName)}</code>.</li>
</ol>
</section>`
}

function registrationAdvice(config: Config): string {
  switch (config.registration) {
    case 'open':
      return 'You can make an account yourself, with any client.'
    case 'token':
      return 'To make an account you need a registration token from whoever runs this server. It was printed when the server started for the first time.'
    case 'closed':
      return 'Accounts are made by whoever runs this server: <code>npx troupe user create NAME</code>.'
  }
}
