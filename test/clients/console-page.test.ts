/** The operator's page in a real browser: who may see it, what it shows, and that it shows shards moving while a host drains. */

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createUserPath } from '#gateway/admin/create-user.ts'
import { consolePath } from '#gateway/console/endpoints.ts'
import { operatorTokenName } from '#gateway/running.ts'
import { findSecret } from '#storage/cluster/operator.ts'
import { openBeside } from '../cluster/stored.ts'
import { type Page, startBrowser } from '../support/browser.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { register } from '../support/matrix.ts'

const password = 'a long enough password'
/** Where pictures of the page are left for whoever wants to look at it. */
const pictures = join(import.meta.dirname, '../../.tools/console')

test(
  'an administrator signs in, sees hosts and shards, drains a host and sees its shards move',
  { timeout: 120_000 },
  async () => {
    await using cluster = await startCluster({ gateways: 1, hosts: 2 })
    const url = cluster.gateways[0]?.url ?? ''
    await makeAccount(cluster, { localpart: 'operator', admin: true })
    await makeAccount(cluster, { localpart: 'somebody', admin: false })
    await talk(url)
    await using browser = await startBrowser()
    const { page } = browser
    await page.open(url + consolePath)

    await signIn(page, 'somebody', 'wrong')
    await page.until(`document.querySelector('#refusal').textContent !== ''`)
    assert.match(String(await refusal(page)), /password|user/i)
    await signIn(page, 'somebody', password)
    await page.until(`/is not an administrator/.test(document.querySelector('#refusal').textContent)`)
    assert.match(String(await refusal(page)), /^@somebody:localhost is not an administrator of this server\./)

    await signIn(page, 'operator', password)
    await page.until(`${owners} === 'actors-1,actors-2'`)
    await page.until(`document.querySelectorAll('.host .pill').length === 2`)
    assert.equal(await page.evaluate(`document.querySelectorAll('.shard').length`), 64)
    await page.until(`/[1-9]/.test(document.querySelector('.host [data-fact="Commit p99"]').textContent)`)
    assert.match(await page.accessibleName('.shard'), /^Shard 0, actors-[12], epoch \d+$/)
    assert.equal(await page.accessibleName('.host button'), 'Drain actors-1')
    await page.until(
      `/^gateway-1version 0.*answers this page$/.test(document.querySelector('#gateways').textContent)`,
    )
    await page.click('.shard')
    await page.until(`/Shard 0: actors-[12], epoch \\d/.test(document.querySelector('#shard').textContent)`)
    await look(page, 'before')

    await page.click('.host button')
    await page.until(`document.querySelector('#confirm').open`)
    await page.click('#confirm-yes')
    await page.until(`document.querySelectorAll('.shard.moved').length > 0`)
    await page.until(`document.querySelector('.host .pill').textContent === 'draining'`)
    await look(page, 'draining')
    await page.until(`${owners} === 'actors-2'`, 30_000)
    assert.equal(await page.evaluate(`document.querySelector('.host [data-fact="Shards"]').textContent`), '0')
    const moves = await page.evaluate(
      `[...document.querySelectorAll('#moves li')].map((line) => line.ariaLabel)`,
    )
    assert.ok(Array.isArray(moves))
    const drained = moves.filter((move) =>
      /^Shard \d+ from actors-1 to actors-2, drained$/.test(String(move)),
    )
    assert.equal(drained.length, 32)

    await page.click('.host:last-child button')
    await page.until(`document.querySelector('#confirm').open`)
    await page.click('#confirm-yes')
    await page.until(`document.querySelector('#told').textContent !== ''`)
    assert.equal(
      await page.evaluate(`document.querySelector('#told').textContent`),
      'Nobody else could take the shards of actors-2.',
    )

    await page.click('.host button')
    await page.until(`${owners} === 'actors-1,actors-2'`, 30_000)
    await checkPhone(page)
    await page.click('#sign-out')
    await page.until(`!document.querySelector('#door').hidden && document.querySelector('#stage').hidden`)
    assert.equal(await page.evaluate(`sessionStorage.length`), 0)
    // What was refused above is an answer that the test asked for, and the browser logs it.
    assert.deepEqual(
      page.complaints.filter((complaint) => !/the server responded with a status of 40[13]/.test(complaint)),
      [],
    )

    await signIn(page, 'operator', password)
    await page.until(`document.querySelector('#link').textContent === 'live'`)
    await cluster.gateways[0]?.kill()
    await page.until(`/^no answer for \\d+ s$/.test(document.querySelector('#link').textContent)`)
    assert.equal(await page.evaluate(`document.querySelector('#stage').hidden`), false)
  },
)

/** The names of all owners in the picture, in order, as an expression. */
const owners = `[...new Set([...document.querySelectorAll('.shard')].map((cell) => cell.dataset.owner))].sort().join()`

function refusal(page: Page): Promise<unknown> {
  return page.evaluate(`document.querySelector('#refusal').textContent`)
}

async function signIn(page: Page, name: string, secret: string): Promise<void> {
  await page.until(`document.querySelector('#door') && !document.querySelector('#door').hidden`)
  await page.until(`!document.querySelector('#sign-in').disabled`)
  await page.type('#user', name)
  await page.type('#password', secret)
  await page.click('#sign-in')
  await page.until(`!document.querySelector('#sign-in').disabled`)
}

async function makeAccount(cluster: Cluster, account: { localpart: string; admin: boolean }): Promise<void> {
  await using database = await openBeside(cluster.databaseUrl)
  const token = await findSecret(database.reads, operatorTokenName)
  const response = await fetch(`${cluster.gateways[0]?.url}${createUserPath}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ ...account, password }),
  })
  assert.equal(response.status, 200, await response.text())
}

/** A little work for the hosts, so that there are commits to show. */
async function talk(url: string): Promise<void> {
  const user = await register(url, 'talker')
  for (let room = 0; room < 4; room++) {
    const roomId = await user.createRoom({})
    for (let message = 0; message < 5; message++) await user.text(roomId, `message ${message}`)
  }
}

async function look(page: Page, name: string): Promise<void> {
  await mkdir(pictures, { recursive: true })
  for (const scheme of ['light', 'dark'] as const) {
    await page.prefer(scheme)
    await page.picture(join(pictures, `${name}-${scheme}.png`))
  }
}

/** On a small screen nothing is cut off sideways. */
async function checkPhone(page: Page): Promise<void> {
  await page.resize({ width: 390, height: 844, mobile: true })
  await page.until(`innerWidth === 390`)
  assert.equal(await page.evaluate(`document.documentElement.scrollWidth`), 390)
  await look(page, 'phone')
  await page.resize({ width: 1280, height: 900 })
}
