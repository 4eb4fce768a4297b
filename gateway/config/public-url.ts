import type { Config } from './schema.ts'

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** The URL under which clients reach this server, without a trailing slash: as configured, or the first listen address. */
export function publicUrl(config: Pick<Config, 'publicUrl' | 'listen'>): string {
  if (config.publicUrl !== undefined) return config.publicUrl
  const [first] = config.listen
  const host = first === undefined || wildcards.has(first.host) ? 'localhost' : first.host
  return `http://${host.includes(':') ? `[${host}]` : host}:${first?.port ?? 0}`
}
