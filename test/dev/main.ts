/**
 * `npm run dev`: a cluster on this machine to develop against, with two people in a room. It lives until Ctrl-C and leaves nothing
 * behind. Environment: `DEV_GATEWAYS` and `DEV_HOSTS` say how many processes of each there are, `DEV_PORT` where the first gateway
 * listens; TROUPE_… settings are passed on.
 */

import { once } from 'node:events'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type MatrixUser, register } from '../support/matrix.ts'

const password = 'correct horse battery'

/** A whole number of the environment, or the default where there is none. */
function setting(name: string, otherwise: number): number {
  const text = process.env[name]
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} is "${text}"; give a whole number from 1 on.`)
  return value
}

interface Seeded {
  readonly alice: MatrixUser
  readonly bob: MatrixUser
  readonly roomId: string
}

/** Two people who have said hello to each other. */
async function seed(cluster: Cluster): Promise<Seeded> {
  const [first] = cluster.gateways
  if (first === undefined) throw new Error('there is no gateway')
  const alice = await register(first.url, 'alice', password)
  const bob = await register(cluster.gateways.at(-1)?.url ?? first.url, 'bob', password)
  const roomId = await alice.createRoom({ preset: 'private_chat', name: 'Development', invite: [bob.userId] })
  await bob.join(roomId)
  await alice.text(roomId, 'Hello Bob')
  await bob.text(roomId, 'Hello Alice')
  return { alice, bob, roomId }
}

function describe(cluster: Cluster, { alice, bob, roomId }: Seeded): string {
  const processes = [
    ...cluster.gateways.map((gateway) => [gateway.hostName, gateway.pid, gateway.url, gateway.opsUrl]),
    ...cluster.hosts.map((host) => [host.hostName, host.pid, '', host.opsUrl]),
  ]
  const people = [alice, bob].map((user) => `  ${user.userId}  password "${password}"  token ${user.token}`)
  return [
    '',
    'A cluster for development is up. Ctrl-C ends it and throws its data away.',
    '',
    ...processes.map(
      ([name, pid, url, opsUrl]) =>
        `  ${String(name).padEnd(12)} pid ${String(pid).padEnd(8)} ${url === '' ? '' : `clients ${String(url)}  `}metrics ${String(opsUrl)}/metrics`,
    ),
    '',
    ...people,
    `  Both are in the room ${roomId}`,
    '',
    `  export DATABASE_URL='${cluster.databaseUrl}'`,
    `  export NATS_URL='${cluster.natsUrl}'`,
    '',
    'With these in the environment: npx troupe status, npx troupe drain actors-1',
    '',
  ].join('\n')
}

const ended = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort())
const passedOn = Object.entries(process.env).flatMap(([name, value]) =>
  name.startsWith('TROUPE_') && value !== undefined ? [[name, value]] : [],
)
process.stdout.write('Starting PostgreSQL, NATS, gateways and actor hosts.\n')
await using cluster = await startCluster({
  gateways: setting('DEV_GATEWAYS', 1),
  hosts: setting('DEV_HOSTS', 2),
  firstPort: setting('DEV_PORT', 8008),
  env: Object.fromEntries(passedOn) as Record<string, string>,
})
if (!ended.signal.aborted) {
  process.stdout.write(describe(cluster, await seed(cluster)))
  if (!ended.signal.aborted) await once(ended.signal, 'abort')
}
process.stdout.write('Ending.\n')
