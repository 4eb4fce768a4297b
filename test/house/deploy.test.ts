/**
 * `Dockerfile`, `compose.yaml` and `nats.conf` name only what exists: files, commands, settings, services, variables. So do the words for
 * operators at their heads, and the commands in the README.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { runCommandLine } from '#gateway/cli/run.ts'
import { ConfigError } from '#gateway/config/load.ts'
import { configFileKey, settings } from '#gateway/config/schema.ts'

const root = join(import.meta.dirname, '../..')
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const withoutComments = (text: string): string => text.replaceAll(/^\s*#.*$/gm, '')

const commentsOf = (name: string): string =>
  read(name)
    .split('\n')
    .filter((line) => /^\s*#/.test(line))
    .join('\n')

const docker = withoutComments(read('Dockerfile'))
const compose = withoutComments(read('compose.yaml'))
const nats = withoutComments(read('nats.conf'))
const known = new Set([...Object.values(settings).map(({ key }) => key), configFileKey])

function all(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, found]) => found ?? ''))].toSorted()
}

/** Commands of the program that a text calls, without what stands before and after them. */
function commandsIn(text: string): string[] {
  return all(text, /(?:npx troupe|gateway\/troupe\.js) ((?:(?! {2})[^\n`…])+)/g).map((words) => words.trim())
}

/** What the program says to a command that it does not understand; undefined if it does. Nothing is carried out. */
async function misunderstanding(command: string): Promise<string | undefined> {
  let said = ''
  const nobody = (): Promise<never> => Promise.reject(new Error('Nobody is there.'))
  const code = await runCommandLine({
    args: command.split(' '),
    terminal: {
      write: () => {},
      warn: (text) => void (said += text),
      readSecret: nobody,
      confirm: nobody,
    },
    config: () => {
      throw new ConfigError(['The test stops each command here.'])
    },
    compose: nobody,
  })
  return code === 2 ? said : undefined
}

/** The lines under a top-level key of a YAML file, up to the next one. */
function section(text: string, key: string): string {
  return new RegExp(`^${key}:.*\\n((?:[ ].*\\n|\\n)*)`, 'm').exec(text)?.[1] ?? ''
}

describe('the image', () => {
  it('copies what exists, and everything that the program imports', () => {
    const copied = all(docker, /^COPY (?!--from)(.+) \S+$/gm).flatMap((sources) => sources.split(' '))
    for (const source of copied) assert.ok(existsSync(join(root, source)), `${source} does not exist`)
    for (const folder of ['protocol', 'storage', 'actors', 'gateway', 'package.json', 'package-lock.json'])
      assert.ok(copied.includes(folder), `${folder} is not copied`)
    const ignored = read('.dockerignore').split('\n')
    for (const source of copied) assert.ok(!ignored.includes(source), `${source} is copied and ignored`)
  })

  it('starts a command that exists, on the Node that the program needs', () => {
    const [entry] = all(docker, /^ENTRYPOINT \["node", "([^"]+)"\]$/gm)
    const [command] = all(docker, /^CMD \["([^"]+)"\]$/gm)
    assert.ok(entry !== undefined && existsSync(join(root, entry)))
    assert.ok(existsSync(join(root, 'gateway/cli', `${command}.ts`)))
    const manifest = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
    const major = manifest.dependencies['node']?.split('.')[0]
    assert.deepEqual(all(docker, /^FROM node:(\d+)-/gm), [major])
  })

  it('sets settings that exist, and serves where it says', () => {
    const set = all(docker, /\b(TROUPE_[A-Z_]+)=/g)
    assert.ok(set.length > 0)
    for (const key of set) assert.ok(known.has(key), `there is no setting ${key}`)
    const ports = all(docker, /=0\.0\.0\.0:(\d+)/g)
    const exposed = (/^EXPOSE (.+)$/m.exec(docker)?.[1] ?? '').split(' ').toSorted()
    assert.deepEqual(exposed, ports)
    for (const port of all(docker, /127\.0\.0\.1:(\d+)/g)) assert.ok(ports.includes(port))
    const head = commentsOf('Dockerfile')
    const published = all(head, /-p \d+:(\d+)/g)
    const volumes = all(head, /-v [a-z]+:(\S+)/g)
    assert.ok(published.length > 0 && volumes.length > 0)
    for (const port of published) assert.ok(ports.includes(port), port)
    for (const volume of volumes) assert.match(docker, new RegExp(`^VOLUME ${volume}$`, 'm'))
  })
})

describe('compose.yaml', () => {
  const services = all(section(compose, 'services'), /^ {2}([a-z0-9-]+):/gm)

  it('sets settings that exist', () => {
    const set = all(compose, /^\s+((?:TROUPE|DATABASE|NATS_URL)[A-Z_]*):/gm)
    assert.ok(set.length >= 5)
    for (const key of set) assert.ok(known.has(key), `there is no setting ${key}`)
    for (const role of all(compose, /TROUPE_ROLES: (\S+)/g)) assert.ok(['actors', 'gateway'].includes(role))
  })

  it('gives NATS exactly the variables that nats.conf reads', () => {
    const wanted = all(nats, /\$([A-Z_]+)/g)
    assert.ok(wanted.length >= 8)
    const given = all(compose, /\b(NATS_[A-Z_]+): /g).filter((name) => !known.has(name))
    assert.deepEqual(given, wanted)
  })

  it('asks for every secret that it uses, with a sentence when it is missing', () => {
    for (const name of all(compose, /\$\{([A-Z_]+)\}/g))
      assert.match(compose, new RegExp(`\\$\\{${name}:\\?set it in \\.env\\}`))
    for (const name of all(compose, /\$\{([A-Z_]+):\?/g))
      assert.match(read('compose.yaml'), new RegExp(`# {3}${name}=`))
  })

  it('names services, volumes, anchors and files that exist', () => {
    for (const name of all(compose, /^\s+([a-z0-9-]+): \{ condition:/gm))
      assert.ok(services.includes(name), name)
    for (const name of all(compose, /@([a-z0-9-]+):\d+/g)) assert.ok(services.includes(name), name)
    for (const name of all(compose, /tls:\/\/([a-z0-9-]+):\d+/g)) assert.ok(services.includes(name), name)
    for (const name of all(compose, /\*([a-z-]+)/g)) assert.match(compose, new RegExp(`: &${name}$`, 'm'))
    const volumes = all(section(compose, 'volumes'), /^ {2}([a-z]+):/gm)
    for (const name of all(compose, /^\s+- ([a-z]+):\//gm)) assert.ok(volumes.includes(name), name)
    for (const path of all(compose, /^\s+- \.\/([^:]+):/gm)) assert.ok(existsSync(join(root, path)), path)
  })

  it('makes certificates for every node, where NATS and Troupe look for them', () => {
    const named = all(compose, /DNS:([a-z0-9-]+)/g)
    assert.deepEqual(
      named,
      services.filter((name) => name.startsWith('nats-')),
    )
    const made = all(compose, /(?:-out|-keyout|mv \S+) ([a-z]+\.[a-z]+)(?!\.)\b/g)
    for (const file of all(compose, /\/certificates\/([a-z.]+)/g)) assert.ok(made.includes(file), file)
  })

  it('checks the health of NATS where its monitoring listens', () => {
    const [port] = all(compose, /--http_port\W+(\d+)/g)
    assert.deepEqual(all(compose, /127\.0\.0\.1:(\d+)\/healthz/g), [port])
  })

  it('tells operators of commands and services that exist, and where clients are served', async () => {
    const head = commentsOf('compose.yaml')
    const commands = commandsIn(head)
    assert.ok(commands.includes('status'), commands.join(', '))
    for (const command of commands) assert.equal(await misunderstanding(command), undefined)
    const named = all(head, /(?:docker compose exec (?:-\S+ )*|--scale )([^\s=]+)/g)
    assert.ok(named.length >= 2, named.join(', '))
    for (const name of named) assert.ok(services.includes(name), `there is no service ${name}`)
    for (const program of all(head, /exec \S+ node (\S+)/g))
      assert.ok(existsSync(join(root, program)), program)
    const [, first, last] = /on the ports (\d+) and (\d+)/.exec(head) ?? []
    assert.match(compose, new RegExp(`- '${first}-${last}:8008'$`, 'm'))
  })

  it('makes the first user where a gateway listens, for accounts are made by request', () => {
    const places = all(commentsOf('compose.yaml'), /docker compose exec (\S+) node \S+ user create/g)
    assert.ok(places.length > 0)
    for (const name of places) {
      const service =
        new RegExp(`^ {2}${name}:\\n((?: {4}.*\\n)*)`, 'm').exec(section(compose, 'services'))?.[1] ?? ''
      assert.match(service, /TROUPE_ROLES: \S*gateway/, `no gateway listens in ${name}`)
    }
  })
})

describe('the README', () => {
  it('tells operators of commands that exist', async () => {
    const commands = commandsIn(read('README.md'))
    assert.ok(commands.length >= 7, commands.join(', '))
    for (const command of commands) assert.equal(await misunderstanding(command), undefined)
  })
})
