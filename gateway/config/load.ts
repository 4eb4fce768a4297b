/**
 * Reads the configuration once, at the start of the process: one file and the environment, where the environment wins. Everything
 * that is wrong is reported together, each with key, value and remedy, and nothing starts.
 */

import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { nearest } from './nearest.ts'
import {
  type Config,
  configFileKey,
  defaultConfigFile,
  settings,
  type Setting,
  type SettingValues,
} from './schema.ts'

/** The configuration cannot be used; the message has one line per problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join('\n'), options)
    this.problems = problems
  }
}

/** Where a process finds its configuration. */
export interface ConfigSource {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  readonly processId: number
}

/** The configuration source of the process that this is. */
export function processSource(): ConfigSource {
  return { environment: process.env, workingDirectory: process.cwd(), processId: process.pid }
}

/** The texts that were found, by key, and where each of them stood. */
interface Found {
  readonly texts: ReadonlyMap<string, string>
  readonly origin: (key: string) => string
}

const ownPrefix = 'TROUPE_'

/** The checked configuration. Throws ConfigError with every problem that was found. */
export function loadConfig(source: ConfigSource): Config {
  const found = findTexts(source)
  const problems = unknownKeys(found)
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(settings)) {
    values[name] = readSetting(setting, found, problems)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  // The cast is sound: the schema of each setting has produced the value under its name.
  const checked = values as SettingValues
  const config: Config = { ...checked, hostName: checked.hostName ?? `${hostname()}-${source.processId}` }
  const conflicts = findConflicts(config)
  if (conflicts.length > 0) throw new ConfigError(conflicts)
  return config
}

function findTexts(source: ConfigSource): Found {
  const named = source.environment[configFileKey]
  const path = join(source.workingDirectory, defaultConfigFile)
  const inFile = named === undefined || named === '' ? readFile(path, false) : readFile(named, true)
  const inEnvironment = new Map<string, string>()
  for (const [key, text] of Object.entries(source.environment)) {
    // An empty variable counts as absent, since many tools cannot pass an absent one.
    if (text !== undefined && text !== '') inEnvironment.set(key, text)
  }
  return {
    texts: new Map([...inFile, ...[...inEnvironment].filter(([key]) => isOurs(key))]),
    origin: (key) => (inEnvironment.has(key) ? 'the environment' : (named ?? defaultConfigFile)),
  }
}

function isOurs(key: string): boolean {
  return key.startsWith(ownPrefix) || knownKeys.includes(key)
}

const knownKeys: readonly string[] = Object.values(settings).map((setting) => setting.key)

function readFile(path: string, demanded: boolean): Map<string, string> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if (!demanded && (cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw new ConfigError([`${configFileKey}=${path}: cannot be read (${(cause as Error).message})`], {
      cause,
    })
  }
  return parseConfigFile(text, path)
}

/**
 * The settings of a file: lines `KEY=value`, with `#` comments and blank lines; a value may stand in single or double quotes.
 * Throws ConfigError for every other line and for a key that stands there twice.
 */
export function parseConfigFile(text: string, path: string): Map<string, string> {
  const texts = new Map<string, string>()
  const problems: string[] = []
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const content = raw.trim()
    if (content === '' || content.startsWith('#')) continue
    const match = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(content)
    const key = match?.[1]
    if (key === undefined) problems.push(`${path}, line ${index + 1}: is not of the form KEY=value`)
    else if (texts.has(key))
      problems.push(`${path}, line ${index + 1}: ${key} is set a second time; remove one of the two`)
    else texts.set(key, unquote(match?.[2] ?? ''))
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return texts
}

function unquote(text: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(text)
  return quoted?.[2] ?? text
}

function unknownKeys(found: Found): string[] {
  const problems: string[] = []
  for (const key of found.texts.keys()) {
    if (knownKeys.includes(key) || key === configFileKey) continue
    const guess = nearest(key, knownKeys)
    const remedy = guess === undefined ? '`npx troupe config` lists all settings' : `did you mean ${guess}?`
    problems.push(`${key} (in ${found.origin(key)}): there is no such setting; ${remedy}`)
  }
  return problems
}

function readSetting(setting: Setting, found: Found, problems: string[]): unknown {
  const written = found.texts.get(setting.key)
  const text = written === undefined || written === '' ? setting.fallback : written
  if (text === undefined) return undefined
  const result = setting.schema.safeParse(text)
  if (result.success) return result.data
  const shown = setting.secret ? '(secret)' : text
  const remedies = new Set(result.error.issues.map((issue) => issue.message))
  problems.push(`${setting.key}=${shown} (in ${found.origin(setting.key)}): ${[...remedies].join('; ')}`)
  return undefined
}

/** What each setting alone allows and all of them together do not. */
function findConflicts(config: Config): string[] {
  const problems: string[] = []
  if (config.natsUrls !== undefined && config.databaseUrl === undefined) {
    problems.push(
      'NATS_URL is set without DATABASE_URL: processes on one NATS need one database; set DATABASE_URL',
    )
  }
  if (config.natsUrls === undefined && config.roles.size < 2) {
    problems.push(
      `TROUPE_ROLES=${[...config.roles].join(',')} without NATS_URL: a process with one role needs others beside it; set NATS_URL, or both roles`,
    )
  }
  if ((config.natsCert === undefined) !== (config.natsKey === undefined)) {
    const [set, missing] =
      config.natsCert === undefined
        ? ['TROUPE_NATS_KEY', 'TROUPE_NATS_CERT']
        : ['TROUPE_NATS_CERT', 'TROUPE_NATS_KEY']
    problems.push(`${set} is set without ${missing}: a certificate and its key go together; set both or none`)
  }
  if (config.turnUris.length > 0 && config.turnSecret === undefined) {
    problems.push(
      'TROUPE_TURN_URIS is set without TROUPE_TURN_SECRET: set the secret that the TURN servers know',
    )
  }
  return problems
}
