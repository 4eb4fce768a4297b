/**
 * A cluster of real processes in which anything can be broken: every process has a line of its own to Postgres and to NATS, and comes back
 * under its name and at its address.
 *
 *   clients ─► gateway-1 ──┬── line ──► nats-server ◄── line ──┬── actors-1
 *              gateway-2   └── line ──► PostgreSQL  ◄── line ──┘   actors-2 …
 *
 * With several NATS nodes each process has a line to every node.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { socketUrl, type SocketAddress } from '#storage/connection.ts'
import { natsServer, type NatsServer } from '../support/nats.ts'
import { natsUrl, startNatsNodes } from '../support/nats-nodes.ts'
import { freePort, startTroupe, type TroupeProcess } from '../support/process.ts'
import { startLine, type Line } from '../support/tcp-proxy.ts'

export type Role = 'actors' | 'gateway'

/** A process with its lines. `process` is replaced when it is started again. */
export interface Member {
  readonly role: Role
  readonly name: string
  process: TroupeProcess
  readonly postgres: Line
  /** To the first node. */
  readonly nats: Line
  readonly otherNats: readonly Line[]
}

export interface ArenaOptions {
  readonly hosts: number
  readonly gateways: number
  readonly database: SocketAddress
  /** Nodes of NATS under the repository's `nats.conf`, with TLS and routes. Absent: one server without either. */
  readonly natsNodes?: number
  readonly env?: Readonly<Record<string, string>>
}

/** The NATS of an arena. */
interface Nats {
  readonly nodes: readonly NatsServer[]
  /** What a process of this role is told, given the ports of its lines to the nodes. */
  readonly env: (role: Role, ports: readonly number[]) => Environment
}

export type Environment = Readonly<Record<string, string>>

interface Place {
  readonly directory: string
  readonly port: number
  readonly postgresDirectory: string
  readonly env: Environment
}

export class Arena implements AsyncDisposable {
  /** The first node. */
  readonly nats: NatsServer
  readonly natsNodes: readonly NatsServer[]
  /** Those that are part of the cluster now, in the order of their coming. */
  members: Member[] = []
  /** All processes that ever were. */
  readonly processes: TroupeProcess[] = []
  readonly #options: ArenaOptions
  readonly #directory: string
  readonly #natsEnv: Nats['env']
  readonly #stack: AsyncDisposableStack
  readonly #places = new Map<Member, Place>()
  readonly #named: Record<Role, number> = { actors: 0, gateway: 0 }

  constructor(options: ArenaOptions, made: { directory: string; nats: Nats; stack: AsyncDisposableStack }) {
    const [first] = made.nats.nodes
    if (first === undefined) throw new RangeError('an arena needs a NATS node')
    this.#options = options
    this.#directory = made.directory
    this.nats = first
    this.natsNodes = made.nats.nodes
    this.#natsEnv = made.nats.env
    this.#stack = made.stack
  }

  get hosts(): Member[] {
    return this.members.filter(({ role }) => role === 'actors')
  }

  get gateways(): Member[] {
    return this.members.filter(({ role }) => role === 'gateway')
  }

  /** Addresses for clients; they stay the same when gateways are started again. */
  get urls(): string[] {
    return this.gateways.map(({ process }) => process.url)
  }

  /** Starts one more process. Rejects when it is not ready in time. */
  async add(role: Role, env: Environment = {}): Promise<Member> {
    const name = `${role}-${++this.#named[role]}`
    const { database } = this.#options
    const directory = join(this.#directory, 'media')
    const postgresDirectory = await mkdtemp(join(this.#directory, 'p-'))
    const socket = `.s.PGSQL.${database.port}`
    const postgres = this.#stack.use(
      await startLine({ path: join(database.host, socket) }, { path: join(postgresDirectory, socket) }),
    )
    const nats = this.#stack.use(await startLine({ port: this.nats.port }))
    const otherNats: Line[] = []
    for (const { port } of this.natsNodes.slice(1)) otherNats.push(this.#stack.use(await startLine({ port })))
    const place = { directory, port: await freePort(), postgresDirectory, env }
    const lines = { role, name, postgres, nats, otherNats }
    const member = { ...lines, process: await this.#start(lines, place) }
    this.#places.set(member, place)
    this.members.push(member)
    return member
  }

  /** Starts the process of a member again, after it was killed or stopped; with more in its environment if wished. */
  async restart(member: Member, env: Environment = {}): Promise<void> {
    const place = this.#places.get(member)
    if (place === undefined) throw new Error(`${member.name} is not of this arena`)
    member.process = await this.#start(member, { ...place, env: { ...place.env, ...env } })
  }

  /** It is not part of the cluster any more; its process must have been ended. */
  forget(member: Member): void {
    this.members = this.members.filter((other) => other !== member)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { postgres, nats, otherNats } of this.members)
      for (const line of [postgres, nats, ...otherNats]) line.heal()
    // Gateways go first: they drain while the actors can still answer.
    for (const role of ['gateway', 'actors'] as const) {
      const ending = this.members.filter((member) => member.role === role)
      await Promise.all(ending.map(({ process }) => process[Symbol.asyncDispose]()))
    }
    await this.#stack.disposeAsync()
  }

  async #start(
    { role, name, nats, otherNats }: Omit<Member, 'process'>,
    place: Place,
  ): Promise<TroupeProcess> {
    const { database, env } = this.#options
    const started = await startTroupe({
      hostName: name,
      port: place.port,
      env: {
        DATABASE_URL: socketUrl({ ...database, host: place.postgresDirectory }),
        ...this.#natsEnv(
          role,
          [nats, ...otherNats].map(({ port }) => port),
        ),
        TROUPE_DATA_DIR: place.directory,
        TROUPE_ROLES: role,
        ...env,
        ...place.env,
      },
    })
    this.processes.push(started)
    return started
  }
}

async function startNats(stack: AsyncDisposableStack, count: number | undefined): Promise<Nats> {
  if (count === undefined) {
    const nodes = [stack.use(await natsServer())]
    return { nodes, env: (_role, ports) => ({ NATS_URL: `nats://127.0.0.1:${ports[0]}` }) }
  }
  const { nodes, ca } = stack.use(await startNatsNodes(count))
  return { nodes, env: (role, ports) => ({ NATS_URL: natsUrl(role, ports), TROUPE_NATS_CA: ca }) }
}

/** Starts nats-server, hosts and gateways on a database. Everything but the database is gone when it is disposed. */
export async function startArena(options: ArenaOptions): Promise<Arena> {
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'arena-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const nats = await startNats(stack, options.natsNodes)
  const arena = new Arena(options, { directory, nats, stack: stack.move() })
  try {
    for (let n = 0; n < options.hosts; n++) await arena.add('actors')
    for (let n = 0; n < options.gateways; n++) await arena.add('gateway')
    return arena
  } catch (error) {
    await arena[Symbol.asyncDispose]()
    throw error
  }
}
