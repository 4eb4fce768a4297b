/**
 * `troupe user create NAME [--admin]`: makes an account. A server that runs is asked to do it, for only the owner of the user's
 * shard may write there; if none runs, this command is one for as long as it takes.
 */

import { listHosts } from '#storage/cluster/leases.ts'
import { findSecret, hasSchema } from '#storage/cluster/operator.ts'
import { createUserPath } from '../admin/create-user.ts'
import type { Config } from '../config/schema.ts'
import { createLogger } from '../ops/log.ts'
import { operatorTokenName } from '../running.ts'
import { type Command, CommandError, type Invocation } from './command.ts'
import { localUrl } from './look.ts'
import { openExisting } from './open-database.ts'

interface Server {
  readonly url: string
  readonly operatorToken: string
}

interface Account {
  readonly localpart: string
  readonly password: string
  readonly admin: boolean
}

const requestMs = 30_000

export const userCreate: Command = {
  name: 'user create',
  usage: 'NAME [--admin]',
  summary: 'Make an account; the password is asked for, or read from standard input',
  options: { admin: { type: 'boolean', default: false } },
  positionals: 1,
  async run(invocation) {
    const { positionals, terminal, values } = invocation
    const config = invocation.config()
    const localpart = localpartOf(positionals[0] ?? '', config)
    const password = await terminal.readSecret(`Password for @${localpart}:${config.serverName}: `)
    const account = { localpart, password, admin: values['admin'] === true }
    const running = await findRunning(config)
    const userId =
      running === undefined ? await createApart(invocation, config, account) : await create(running, account)
    terminal.write(`Made ${userId}${account.admin ? ', an administrator' : ''}.\n`)
    return 0
  },
}

/** The name as given, or of a whole user id of this server its localpart. */
function localpartOf(name: string, config: Config): string {
  if (!name.startsWith('@')) return name
  const suffix = `:${config.serverName}`
  if (!name.endsWith(suffix))
    throw new CommandError(`Only accounts of ${config.serverName} can be made here.`)
  return name.slice(1, -suffix.length)
}

/** The server that owns the database now, if there is one. */
async function findRunning(config: Config): Promise<Server | undefined> {
  try {
    await using database = await openExisting(config)
    if (!(await hasSchema(database.reads))) return undefined
    const hosts = await listHosts(database.reads)
    const operatorToken = await findSecret(database.reads, operatorTokenName)
    if (operatorToken === undefined || !hosts.some((host) => host.alive)) return undefined
    return { url: localUrl(config), operatorToken }
  } catch (error) {
    if (error instanceof CommandError) return undefined
    throw error
  }
}

/** Runs a server of its own on a free port for this one request. */
async function createApart(
  { compose, terminal }: Invocation,
  config: Config,
  account: Account,
): Promise<string> {
  const apart: Config = {
    ...config,
    listen: [{ host: '127.0.0.1', port: 0 }],
    metricsListen: undefined,
    roles: new Set(['gateway', 'actors'] as const),
  }
  const log = createLogger({ logLevel: 'error', hostName: config.hostName })
  await using running = await compose(apart, { log, onProgress: (text) => terminal.warn(`${text}\n`) })
  const [url] = running.listening
  if (url === undefined) throw new CommandError('The server that was started for this has no listener.')
  return await create({ url, operatorToken: running.operatorToken }, account)
}

async function create(server: Server, account: Account): Promise<string> {
  const response = await request(server, account)
  const answer = (await response.json()) as { readonly user_id?: string; readonly error?: string }
  if (response.ok && answer.user_id !== undefined) return answer.user_id
  throw new CommandError(answer.error ?? `The server answered ${response.status}.`)
}

async function request(server: Server, account: Account): Promise<Response> {
  try {
    return await fetch(server.url + createUserPath, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.operatorToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(account),
      signal: AbortSignal.timeout(requestMs),
    })
  } catch (cause) {
    throw new CommandError(
      `A server is running, but does not answer on ${server.url}. Call this command with the TROUPE_LISTEN of a gateway.`,
      { cause },
    )
  }
}
