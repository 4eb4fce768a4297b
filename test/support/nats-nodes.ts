/** Nodes of one NATS cluster under the repository's `nats.conf`, with certificates of an authority that is made for them. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { natsServer, type NatsServer } from './nats.ts'
import { freePort } from './process.ts'

const run = promisify(execFile)
const config = join(import.meta.dirname, '../../nats.conf')
const opensslMs = 20_000

/** The passwords of the users that `nats.conf` knows, as tests set them. */
export const natsPasswords = { actors: 'aPasswordOfActors', gateway: 'aPasswordOfGateways' } as const

export type NatsUser = keyof typeof natsPasswords

export interface Certificates extends AsyncDisposable {
  /** Paths of PEM files. The certificate is for 127.0.0.1, for clients and servers alike. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

async function openssl(directory: string, args: string): Promise<void> {
  try {
    await run('openssl', args.split(' '), { cwd: directory, timeout: opensslMs })
  } catch (cause) {
    throw new Error('Certificates for the test could not be made; this test needs openssl on PATH.', {
      cause,
    })
  }
}

/** Makes an authority and a certificate that it has signed; both are gone when disposed. */
export async function makeCertificates(): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'troupe-certificates-'))
  const dispose = (): Promise<void> => rm(directory, { recursive: true, force: true })
  const ec = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2'
  const signed = '-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE'
  const uses = '-addext subjectAltName=IP:127.0.0.1 -addext extendedKeyUsage=serverAuth,clientAuth'
  try {
    await openssl(directory, `req -x509 ${ec} -subj /CN=authority -keyout ca.key -out ca.pem`)
    await openssl(
      directory,
      `req -x509 ${ec} ${signed} ${uses} -subj /CN=node -keyout node.key -out node.pem`,
    )
  } catch (error) {
    await dispose()
    throw error
  }
  const path = (name: string): string => join(directory, name)
  return {
    ca: path('ca.pem'),
    cert: path('node.pem'),
    key: path('node.key'),
    [Symbol.asyncDispose]: dispose,
  }
}

export interface NatsNodes extends AsyncDisposable {
  readonly nodes: readonly NatsServer[]
  /** Path of the authority's certificate, as for TROUPE_NATS_CA. */
  readonly ca: string
  /** NATS_URL of a user, naming these nodes by their index, or all of them. */
  url(user: NatsUser, ...indexes: number[]): string
}

/** NATS_URL of a user for nodes, or for lines to nodes, at these ports. */
export function natsUrl(user: NatsUser, ports: readonly number[]): string {
  return ports.map((port) => `tls://${user}:${natsPasswords[user]}@127.0.0.1:${port}`).join(',')
}

/** The environment in which `nats.conf` starts a node that knows the given route ports. */
export function natsEnvironment(
  certificates: Certificates,
  node: { readonly name: string; readonly clusterPort: number; readonly routes: readonly number[] },
): Record<string, string> {
  return {
    NATS_NAME: node.name,
    NATS_LISTEN: '"127.0.0.1:-1"',
    NATS_CLUSTER_LISTEN: `"127.0.0.1:${node.clusterPort}"`,
    NATS_ROUTES: `[${node.routes.map((port) => `"nats://route:aPasswordOfRoutes@127.0.0.1:${port}"`).join(', ')}]`,
    NATS_CERT: `"${certificates.cert}"`,
    NATS_KEY: `"${certificates.key}"`,
    NATS_CA: `"${certificates.ca}"`,
    NATS_ACTORS_PASSWORD: natsPasswords.actors,
    NATS_GATEWAY_PASSWORD: natsPasswords.gateway,
    NATS_ROUTE_PASSWORD: 'aPasswordOfRoutes',
  }
}

/** Starts so many nodes, each with routes to all others. */
export async function startNatsNodes(count: number): Promise<NatsNodes> {
  await using stack = new AsyncDisposableStack()
  const certificates = stack.use(await makeCertificates())
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  const nodes: NatsServer[] = []
  for (const [index, clusterPort] of ports.entries()) {
    const routes = ports.filter((port) => port !== clusterPort)
    const env = natsEnvironment(certificates, { name: `nats-${index + 1}`, clusterPort, routes })
    nodes.push(stack.use(await natsServer({ config, env, tls: true })))
  }
  const owned = stack.move()
  return {
    nodes,
    ca: certificates.ca,
    url(user, ...indexes) {
      const chosen = indexes.length === 0 ? nodes : nodes.filter((_node, index) => indexes.includes(index))
      return natsUrl(
        user,
        chosen.map(({ port }) => port),
      )
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
