/**
 * The console: signs in as any Matrix client does, asks once a second what the cluster looks like, and lets `picture.js` draw it.
 * The access token stays in this tab's session storage and is never part of an address.
 */

import { byId } from './elements.js'
import { Picture } from './picture.js'

const tokenKey = 'troupe.console.token'
const deviceKey = 'troupe.console.device'
const everyMs = 1000
const answerMs = 5000

/** What the server refused, in its own words. */
class Refusal extends Error {
  constructor(status, body) {
    super(typeof body?.error === 'string' ? body.error : `The server answered ${status}.`)
    this.status = status
    this.code = body?.errcode
  }
}

async function request(method, path, body) {
  const token = sessionStorage.getItem(tokenKey)
  const response = await fetch(path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    cache: 'no-store',
    signal: AbortSignal.timeout(answerMs),
  })
  const answer = await response.json().catch(() => undefined)
  if (!response.ok) throw new Refusal(response.status, answer)
  return answer
}

/** One device for this browser, so that signing in again replaces the session instead of adding one. */
function deviceId() {
  let id = localStorage.getItem(deviceKey)
  if (id === null) {
    const bytes = crypto.getRandomValues(new Uint8Array(5))
    id = `CONSOLE${Array.from(bytes, (byte) => String.fromCharCode(65 + (byte % 26))).join('')}`
    localStorage.setItem(deviceKey, id)
  }
  return id
}

let picture = new Picture(askToDrain)
let timer
/** Counts sessions of this page: what an earlier one began has no say any more. */
let session = 0
let answeredAtMs = 0

function showDoor(refusal = '') {
  session++
  clearTimeout(timer)
  sessionStorage.removeItem(tokenKey)
  byId('stage').hidden = true
  byId('sign-out').hidden = true
  byId('link').hidden = true
  // What an earlier session was told says nothing of the next one.
  byId('link').textContent = ''
  byId('door').hidden = false
  byId('refusal').textContent = refusal
  byId('password').value = ''
  byId(byId('user').value === '' ? 'user' : 'password').focus()
}

function showStage() {
  picture = new Picture(askToDrain)
  byId('told').textContent = ''
  answeredAtMs = 0
  byId('door').hidden = true
  byId('sign-out').hidden = false
  void look(++session)
}

async function signIn(event) {
  event.preventDefault()
  byId('sign-in').disabled = true
  byId('refusal').textContent = ''
  try {
    sessionStorage.removeItem(tokenKey)
    const answer = await request('POST', '/_matrix/client/v3/login', {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: byId('user').value.trim() },
      password: byId('password').value,
      device_id: deviceId(),
      initial_device_display_name: 'Troupe console',
    })
    sessionStorage.setItem(tokenKey, answer.access_token)
    byId('password').value = ''
    showStage()
  } catch (error) {
    byId('refusal').textContent = inWords(error)
  } finally {
    byId('sign-in').disabled = false
  }
}

async function signOut(refusal) {
  const leaving = request('POST', '/_matrix/client/v3/logout', {}).catch(() => {})
  showDoor(refusal)
  await leaving
}

function inWords(error) {
  if (error instanceof Refusal) return error.message
  return 'The server does not answer.'
}

/** Fetches and draws once, then again in a second as long as the page is looked at. */
async function look(mine) {
  try {
    const view = await request('GET', '/_troupe/admin/v1/cluster')
    if (mine !== session) return
    answeredAtMs = Date.now()
    picture.draw(view, answeredAtMs)
    byId('stage').hidden = false
    tellLink('live', '')
  } catch (error) {
    if (mine !== session) return
    if (error instanceof Refusal && error.status === 401)
      return showDoor('The session has ended. Sign in again.')
    if (error instanceof Refusal && error.status === 403) return void signOut(error.message)
    const since = answeredAtMs === 0 ? '' : ` for ${Math.round((Date.now() - answeredAtMs) / 1000)} s`
    const what = error instanceof Refusal ? error.message : 'no answer'
    tellLink(`${what}${since}`, 'ill')
  }
  clearTimeout(timer)
  if (!document.hidden) timer = setTimeout(() => void look(mine), everyMs)
}

function tellLink(text, tone) {
  const link = byId('link')
  link.hidden = false
  link.className = `pill ${tone}`
  if (link.textContent !== text) link.textContent = text
  byId('stage').classList.toggle('stale', tone !== '')
}

function askToDrain(host) {
  if (host.state === 'draining') return void drain(host, false)
  byId('confirm-title').textContent = `Drain ${host.name}?`
  byId('confirm-text').textContent =
    'It hands its shards to the other hosts, a few at a time, while requests go on. It takes none until you stop draining it or start it anew.'
  const dialog = byId('confirm')
  dialog.addEventListener('close', () => dialog.returnValue === 'yes' && void drain(host, true), {
    once: true,
  })
  dialog.returnValue = 'no'
  dialog.showModal()
}

async function drain(host, draining) {
  byId('told').textContent = ''
  try {
    await request('POST', `/_troupe/admin/v1/hosts/${encodeURIComponent(host.id)}/drain`, { draining })
  } catch (error) {
    byId('told').textContent = inWords(error)
  }
}

byId('server').textContent = location.host
byId('login').addEventListener('submit', (event) => void signIn(event))
byId('sign-out').addEventListener('click', () => void signOut(''))
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && sessionStorage.getItem(tokenKey) !== null) void look(++session)
})
if (sessionStorage.getItem(tokenKey) === null) showDoor()
else showStage()
