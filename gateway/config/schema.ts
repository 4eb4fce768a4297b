/**
 * Every setting of Troupe: its name in the environment, its default, what it accepts and what it means. The manual that
 * `npx troupe config` prints and the checks at start-up are both made from this table.
 */

import { z } from 'zod'
import { roomVersions } from '#protocol/versions/table.ts'
import {
  byteSize,
  line,
  listenAddresses,
  networks,
  onOff,
  oneOf,
  readableFile,
  secretOf,
  serverName,
  urlOf,
  urlsOf,
  wholeNumber,
  words,
  wordsOutOf,
} from './values.ts'

/** One setting. `D` is the type of its default: text in the form in which an operator would write it, or none. */
export interface Setting<S extends z.ZodType = z.ZodType, D extends string | undefined = string | undefined> {
  /** Name in the environment and in the file. */
  readonly key: string
  readonly fallback: D
  readonly schema: S
  readonly description: string
  /** The value is never printed. */
  readonly secret: boolean
  readonly group: SettingGroup
}

/** Headings of the manual, in its order. */
export const settingGroups = [
  'The server',
  'Accounts',
  'Rooms and media',
  'Calls',
  'Processes and their parts',
  'Operation',
] as const

export type SettingGroup = (typeof settingGroups)[number]

interface SettingWords {
  readonly group: SettingGroup
  readonly description: string
  readonly secret?: true
}

function setting<S extends z.ZodType, const D extends string | undefined>(
  key: string,
  fallback: D,
  schema: S,
  about: SettingWords,
): Setting<S, D> {
  return {
    key,
    fallback,
    schema,
    description: about.description,
    group: about.group,
    secret: about.secret === true,
  }
}

const knownRoomVersion = z
  .string()
  .refine((version) => roomVersions.has(version), `must be one of ${[...roomVersions.keys()].join(', ')}`)

const server = {
  serverName: setting('TROUPE_SERVER_NAME', 'localhost', serverName, {
    group: 'The server',
    description:
      'The name after the colon in every user id and room id. It can never be changed once the database exists.',
  }),
  listen: setting('TROUPE_LISTEN', '127.0.0.1:8008', listenAddresses, {
    group: 'The server',
    description:
      'Addresses on which clients are served over plain HTTP, separated by commas. Put a proxy that ends TLS before them.',
  }),
  publicUrl: setting('TROUPE_PUBLIC_URL', undefined, urlOf('https', 'http'), {
    group: 'The server',
    description:
      'The URL under which clients reach this server; told in /.well-known/matrix/client. Without it, clients are told the first listen address.',
  }),
  trustedProxies: setting('TROUPE_TRUSTED_PROXIES', '', networks, {
    group: 'The server',
    description:
      'Addresses or networks (CIDR) of proxies whose X-Forwarded-For is believed, separated by commas. Everybody else is taken at his own address.',
  }),
  dataDir: setting('TROUPE_DATA_DIR', 'data', line, {
    group: 'The server',
    description: 'Folder of media and, unless DATABASE_URL is set, of the embedded PostgreSQL.',
  }),
}

const accounts = {
  registration: setting('TROUPE_REGISTRATION', 'token', oneOf(['token', 'open', 'closed']), {
    group: 'Accounts',
    description:
      'Who may register: with a registration token, everybody, or nobody (the command `user create` always can).',
  }),
  registrationToken: setting('TROUPE_REGISTRATION_TOKEN', undefined, secretOf(8), {
    group: 'Accounts',
    secret: true,
    description: 'The registration token. Without it one is generated at the first start and printed.',
  }),
  registrationSharedSecret: setting('TROUPE_REGISTRATION_SHARED_SECRET', undefined, secretOf(8), {
    group: 'Accounts',
    secret: true,
    description:
      'Lets programs that know this secret register users by POST /_synapse/admin/v1/register. Without it that request does not exist.',
  }),
  passwordMinLength: setting('TROUPE_PASSWORD_MIN_LENGTH', '8', wholeNumber(1, 128), {
    group: 'Accounts',
    description: 'The fewest characters that a new password may have.',
  }),
  passwordHash: setting('TROUPE_PASSWORD_HASH', 'normal', oneOf(['normal', 'cheap']), {
    group: 'Accounts',
    description:
      'The cost of a password hash (argon2id): normal is 19 MiB and two passes; cheap is for tests alone. Hashes of both kinds can always be verified.',
  }),
  termsUrl: setting('TROUPE_TERMS_URL', undefined, urlOf('https', 'http'), {
    group: 'Accounts',
    description: 'A document that people must accept when they register. Without it nobody is asked.',
  }),
  termsName: setting('TROUPE_TERMS_NAME', 'Terms of service', line, {
    group: 'Accounts',
    description: 'What that document is called.',
  }),
  termsVersion: setting('TROUPE_TERMS_VERSION', '1.0', line, {
    group: 'Accounts',
    description: 'The version of that document.',
  }),
  rateLimits: setting('TROUPE_RATE_LIMITS', 'on', onOff, {
    group: 'Accounts',
    description:
      'Whether requests are limited per user and per address. Off is for tests and trusted networks.',
  }),
}

const rooms = {
  defaultRoomVersion: setting('TROUPE_DEFAULT_ROOM_VERSION', '12', knownRoomVersion, {
    group: 'Rooms and media',
    description: 'The version of rooms that are created without naming one.',
  }),
  mediaMaxBytes: setting('TROUPE_MEDIA_MAX_BYTES', '50MiB', byteSize, {
    group: 'Rooms and media',
    description: 'The largest file that may be uploaded.',
  }),
  unauthenticatedMedia: setting('TROUPE_UNAUTHENTICATED_MEDIA', 'off', onOff, {
    group: 'Rooms and media',
    description: 'Whether the older download requests, which need no access token, are served.',
  }),
}

const calls = {
  turnUris: setting(
    'TROUPE_TURN_URIS',
    '',
    z.string().transform((text): readonly string[] => words(text)),
    {
      group: 'Calls',
      description:
        'URIs of TURN servers for calls, separated by commas, such as turn:turn.example.org?transport=udp.',
    },
  ),
  turnSecret: setting('TROUPE_TURN_SECRET', undefined, line, {
    group: 'Calls',
    secret: true,
    description: 'The secret shared with the TURN servers, from which credentials are made.',
  }),
  turnTtlSeconds: setting('TROUPE_TURN_TTL', '86400', wholeNumber(60, 604_800), {
    group: 'Calls',
    description: 'Seconds for which TURN credentials are valid.',
  }),
}

const processes = {
  roles: setting('TROUPE_ROLES', 'gateway,actors', wordsOutOf(['gateway', 'actors']), {
    group: 'Processes and their parts',
    description: 'What this process does: gateway serves clients, actors runs rooms and users.',
  }),
  hostName: setting('TROUPE_HOST_NAME', undefined, line, {
    group: 'Processes and their parts',
    description:
      'What this process is called in `status` and `drain`. Without it, the name of the machine and the process id.',
  }),
  hostWeight: setting('TROUPE_HOST_WEIGHT', '1', wholeNumber(1, 100), {
    group: 'Processes and their parts',
    description:
      'How many shards this process should own in proportion to others: one with 2 gets twice as many as one with 1.',
  }),
  databaseUrl: setting('DATABASE_URL', undefined, urlOf('postgres', 'postgresql'), {
    group: 'Processes and their parts',
    secret: true,
    description:
      'A PostgreSQL database, version 14 or later, with encoding UTF-8. Without it an embedded server is used.',
  }),
  natsUrls: setting('NATS_URL', undefined, urlsOf('nats', 'tls'), {
    group: 'Processes and their parts',
    secret: true,
    description:
      'The NATS servers that join several processes, separated by commas. Without them this process is alone. Needs DATABASE_URL.',
  }),
  natsCa: setting('TROUPE_NATS_CA', undefined, readableFile, {
    group: 'Processes and their parts',
    description:
      'File with the authority (PEM) that has signed the certificates of the NATS servers. Without it those count that the system trusts.',
  }),
  natsCert: setting('TROUPE_NATS_CERT', undefined, readableFile, {
    group: 'Processes and their parts',
    description: 'File with a certificate (PEM) of this process, for NATS servers that demand one.',
  }),
  natsKey: setting('TROUPE_NATS_KEY', undefined, readableFile, {
    group: 'Processes and their parts',
    description: 'File with the key (PEM) of that certificate.',
  }),
}

const operation = {
  metricsListen: setting('TROUPE_METRICS_LISTEN', undefined, listenAddresses, {
    group: 'Operation',
    description:
      'Addresses on which /metrics, /health and /ready are served, separated by commas. Without it there are no metrics; the gateway serves /health and /ready to clients too.',
  }),
  logLevel: setting(
    'TROUPE_LOG_LEVEL',
    'info',
    oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    {
      group: 'Operation',
      description: 'The least important log lines that are written.',
    },
  ),
}

/** All settings by the name that the program uses. */
export const settings = { ...server, ...accounts, ...rooms, ...calls, ...processes, ...operation }

export type SettingName = keyof typeof settings

/** The checked values. A setting without default may be undefined. */
export type SettingValues = {
  readonly [N in SettingName]: (typeof settings)[N] extends Setting<infer S, infer D>
    ? z.output<S> | (D extends undefined ? undefined : never)
    : never
}

/** The checked configuration of a process. */
export interface Config extends Omit<SettingValues, 'hostName'> {
  readonly hostName: string
}

/** The name of the variable that names the file. It cannot stand in the file itself. */
export const configFileKey = 'TROUPE_CONFIG'

/** The file that is read from the working directory if it exists and no other is named. */
export const defaultConfigFile = 'troupe.env'
