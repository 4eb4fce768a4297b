import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Config } from './schema.ts'
import { ConfigError, loadConfig, parseConfigFile } from './load.ts'
import { nearest } from './nearest.ts'
import { configReference } from './reference.ts'
import { parseListenAddress } from './values.ts'

function load(environment: Record<string, string>, workingDirectory = '/nowhere'): Config {
  return loadConfig({ environment, workingDirectory, processId: 7 })
}

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    load(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

function folder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'troupe-config-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}

describe('configuration', () => {
  it('has a default for everything', () => {
    const config = load({})
    assert.equal(config.serverName, 'localhost')
    assert.deepEqual(config.listen, [{ host: '127.0.0.1', port: 8008 }])
    assert.equal(config.registration, 'token')
    assert.equal(config.rateLimits, true)
    assert.equal(config.defaultRoomVersion, '12')
    assert.deepEqual([...config.roles], ['gateway', 'actors'])
    assert.equal(config.mediaMaxBytes, 50 * 1024 * 1024)
    assert.equal(config.databaseUrl, undefined)
    assert.deepEqual(config.turnUris, [])
    assert.match(config.hostName, /-7$/)
  })

  it('names key, value and remedy of every problem at once', () => {
    const problems = problemsOf({
      TROUPE_LISTEN: 'here',
      TROUPE_RATE_LIMITS: 'maybe',
      TROUPE_DEFAULT_ROOM_VERSION: '99',
    })
    assert.equal(problems.length, 3)
    assert.match(problems[0] ?? '', /^TROUPE_LISTEN=here .*must be host:port/)
    assert.match(problems[1] ?? '', /^TROUPE_RATE_LIMITS=maybe .*must be on or off/)
    assert.match(problems[2] ?? '', /^TROUPE_DEFAULT_ROOM_VERSION=99 .*must be one of 1, 2,/)
  })

  it('refuses an unknown key of its own and suggests the nearest one', () => {
    assert.match(problemsOf({ TROUPE_SERVERNAME: 'x' })[0] ?? '', /did you mean TROUPE_SERVER_NAME\?/)
    assert.match(problemsOf({ TROUPE_ZZZ: 'x' })[0] ?? '', /npx troupe config/)
    assert.deepEqual(problemsOf({ PATH: '/bin', NATS_SOMETHING: 'x' }), [])
  })

  it('never repeats a secret', () => {
    const [problem = ''] = problemsOf({ TROUPE_REGISTRATION_TOKEN: 'hush!hush!hush' })
    assert.match(problem, /TROUPE_REGISTRATION_TOKEN=\(secret\)/)
    assert.doesNotMatch(problem, /hush/)
  })

  it('reads troupe.env from the working directory, and the environment wins', () => {
    using temporary = folder()
    writeFileSync(
      join(temporary.path, 'troupe.env'),
      '# mine\nTROUPE_SERVER_NAME="a.example"\nTROUPE_LOG_LEVEL=debug\n',
    )
    const config = load({ TROUPE_LOG_LEVEL: 'warn' }, temporary.path)
    assert.equal(config.serverName, 'a.example')
    assert.equal(config.logLevel, 'warn')
  })

  it('reads the file that TROUPE_CONFIG names and insists that it exists', () => {
    using temporary = folder()
    const path = join(temporary.path, 'my.env')
    assert.match(problemsOf({ TROUPE_CONFIG: path })[0] ?? '', /cannot be read/)
    writeFileSync(path, 'TROUPE_SERVER_NAME=b.example\n')
    assert.equal(load({ TROUPE_CONFIG: path }).serverName, 'b.example')
  })

  it('refuses lines that are no setting and keys that are set twice', () => {
    assert.throws(
      () => parseConfigFile('A=1\nnonsense\nA=2', 'f'),
      /line 2: is not.*\n.*line 3: A is set a second time/,
    )
  })

  it('refuses settings that do not fit together', () => {
    assert.match(problemsOf({ NATS_URL: 'nats://127.0.0.1:4222' })[0] ?? '', /set DATABASE_URL/)
    assert.match(problemsOf({ TROUPE_ROLES: 'gateway' })[0] ?? '', /TROUPE_ROLES=gateway without NATS_URL/)
    assert.match(problemsOf({ TROUPE_TURN_URIS: 'turn:x' })[0] ?? '', /TROUPE_TURN_SECRET/)
    const cluster = {
      NATS_URL: 'nats://a:4222,nats://b:4222',
      DATABASE_URL: 'postgres://u@db/t',
      TROUPE_ROLES: 'actors',
    }
    assert.deepEqual(load(cluster).natsUrls, ['nats://a:4222', 'nats://b:4222'])
  })

  it('takes NATS over plain TCP and TLS and names the two to whoever gives another', () => {
    const DATABASE_URL = 'postgres://u@db/t'
    for (const NATS_URL of ['ws://a:80', 'wss://a:443', 'nats://a:4222,wss://b:443']) {
      const [problem = ''] = problemsOf({ DATABASE_URL, NATS_URL })
      assert.match(problem, /^NATS_URL=\(secret\) .*must be URLs with nats:\/\/ or tls:\/\//)
    }
    assert.deepEqual(load({ DATABASE_URL, NATS_URL: 'tls://a:4222' }).natsUrls, ['tls://a:4222'])
  })

  it('knows which proxies are trusted', () => {
    const { trustedProxies } = load({ TROUPE_TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8, fd00::/8' })
    assert.equal(trustedProxies.check('10.9.8.7'), true)
    assert.equal(trustedProxies.check('fd00::1', 'ipv6'), true)
    assert.equal(trustedProxies.check('11.0.0.1'), false)
    assert.match(
      problemsOf({ TROUPE_TRUSTED_PROXIES: '10.0.0.0/33' })[0] ?? '',
      /must be addresses or networks/,
    )
  })

  it('parses listen addresses of all families', () => {
    assert.deepEqual(parseListenAddress('[::1]:0'), { host: '::1', port: 0 })
    assert.deepEqual(parseListenAddress('localhost:80'), { host: 'localhost', port: 80 })
    assert.equal(parseListenAddress('1.2.3.4:65536'), undefined)
    assert.equal(parseListenAddress('::1:80'), undefined)
  })

  it('prints a reference that is a valid file and names every setting', () => {
    const reference = configReference()
    assert.match(reference, /# TROUPE_LISTEN=127\.0\.0\.1:8008/)
    assert.match(reference, /# NATS_URL=/)
    assert.equal(parseConfigFile(reference, 'reference').size, 0)
    assert.ok(Math.max(...reference.split('\n').map((line) => line.length)) <= 110)
  })

  it('guesses only words that are alike', () => {
    assert.equal(nearest('TROUPE_LISTN', ['TROUPE_LISTEN', 'TROUPE_ROLES']), 'TROUPE_LISTEN')
    assert.equal(nearest('SOMETHING', ['TROUPE_LISTEN']), undefined)
  })
})
