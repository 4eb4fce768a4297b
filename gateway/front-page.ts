/**
 * `GET /` in a browser: what this is, whether it is well, and what to do next. One file without scripts or foreign resources.
 */

import { createHash } from 'node:crypto'
import { publicUrl } from './config/public-url.ts'
import type { Config } from './config/schema.ts'
import { Answer, type AnyEndpoint, defineEndpoint } from './http/endpoint.ts'
import type { Readiness } from './ops/health.ts'

const style = `
:root{color-scheme:light dark;--paper:#faf8f4;--ink:#1d1b19;--soft:#65605a;--line:#e4dfd5;--card:#fff;--well:#23703f;--well-paper:#e6f3ea;--ill:#a5301f;--ill-paper:#fbe9e5;--accent:#7a3e9d;--fold:#5d2c7b}
@media(prefers-color-scheme:dark){:root{--paper:#151417;--ink:#edeae5;--soft:#a8a29a;--line:#312e36;--card:#1d1b20;--well:#7fd6a0;--well-paper:#17291e;--ill:#ff9a8a;--ill-paper:#321b18;--accent:#c99be8;--fold:#8d5fae}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.6 ui-serif,Georgia,"Times New Roman",serif;text-wrap:pretty}
.curtain{height:10px;background:repeating-linear-gradient(90deg,var(--accent) 0 18px,var(--fold) 18px 26px)}
main{max-width:42rem;margin:0 auto;padding:clamp(2.5rem,11vh,7rem) 1.5rem 4rem}
.kind,h2{font:600 .8rem/1.3 ui-sans-serif,system-ui,sans-serif;letter-spacing:.08em;text-transform:uppercase;color:var(--soft)}
.kind{margin:0 0 .5rem;color:var(--accent)}
h1{font-size:clamp(1.9rem,6.5vw,2.8rem);line-height:1.1;margin:0;letter-spacing:-.02em;overflow-wrap:anywhere}
.lead{color:var(--soft);margin:.8rem 0 1.6rem;font-size:1.1rem}
.state{display:inline-flex;align-items:center;gap:.6rem;margin:0;padding:.35rem 1rem;border-radius:99px;font:600 .95rem/1.5 ui-sans-serif,system-ui,sans-serif}
.state::before{content:"";width:.6rem;height:.6rem;border-radius:50%;background:currentColor}
.well{color:var(--well);background:var(--well-paper)}.ill{color:var(--ill);background:var(--ill-paper)}
.why{margin:.8rem 0 0;padding-left:1.2rem;color:var(--ill)}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.5rem 1.7rem;margin:2rem 0 0}
h2{margin:0 0 1rem}
ol{list-style:none;counter-reset:step;margin:0;padding:0;display:grid;gap:.9rem}
ol li{counter-increment:step;position:relative;padding-left:2.4rem}
ol li::before{content:counter(step);position:absolute;left:0;top:.05rem;width:1.6rem;height:1.6rem;border-radius:50%;border:1.5px solid var(--accent);color:var(--accent);font:600 .85rem/1.45rem ui-sans-serif,system-ui,sans-serif;text-align:center}
code{font:.87em/1.4 ui-monospace,SFMono-Regular,Menlo,monospace;background:color-mix(in srgb,var(--line) 55%,transparent);padding:.12em .4em;border-radius:5px;overflow-wrap:anywhere;-webkit-box-decoration-break:clone;box-decoration-break:clone;user-select:all}
footer{color:var(--soft);font-size:.88rem;margin-top:2rem}
a{color:var(--accent);text-underline-offset:.15em}
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
<header>
<p class="kind">Matrix homeserver</p>
<h1>${name.replaceAll('.', '.<wbr>')}</h1>
<p class="lead">People with an account here talk to each other, end-to-end encrypted, with the <a href="https://matrix.org/ecosystem/clients/">Matrix client</a> of their choice.</p>
${stateText(problems)}
</header>
${nextSection(config)}
<footer>Troupe ${escapeHtml(version)} · <a href="/_matrix/client/versions">what it speaks</a> · <a href="/ready">readiness</a></footer>
</main>
</body>
</html>
`
}

function stateText(problems: ReadonlyMap<string, string>): string {
  if (problems.size === 0) return '<p class="state well">All is well.</p>'
  const items = [...problems].map(([what, why]) => `<li>${escapeHtml(`${what}: ${why}`)}</li>`)
  return `<p class="state ill">Not everything is well.</p>\n<ul class="why">${items.join('')}</ul>`
}

function nextSection(config: Config): string {
  const url = escapeHtml(publicUrl(config))
  return `<section><h2>What to do next</h2>
<ol>
<li>Open a Matrix client, choose another homeserver than its own, and enter <code>${url}</code></li>
<li>${registrationAdvice(config)}</li>
<li>Sign in. Others find you as <code>@you:${escapeHtml(config.serverName)}</code></li>
</ol>
</section>`
}

function registrationAdvice(config: Config): string {
  switch (config.registration) {
    case 'open':
      return 'Make an account there: everybody may.'
    case 'token':
      return 'Make an account there. You need the registration token; whoever runs this server sees it at each start.'
    case 'closed':
      return 'Ask whoever runs this server for an account. The command is <code>npx troupe user create NAME</code>'
  }
}
