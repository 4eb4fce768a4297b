/** The program's command line, as an operator uses it beside running servers. */

import { execFile } from 'node:child_process'
import { join } from 'node:path'

const program = join(import.meta.dirname, '..', '..', 'gateway', 'troupe.js')

/** Runs `npx troupe …` against a database. Rejects with what it printed if it fails or takes longer than half a minute. */
export function troupe(databaseUrl: string, ...args: readonly string[]): Promise<string> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(TROUPE_|NATS_URL|NODE_TEST)/.test(name),
  )
  const env = { ...Object.fromEntries(inherited), DATABASE_URL: databaseUrl }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], { env, timeout: 30_000 }, (error, output, errors) => {
      if (error === null) resolve(output)
      else
        reject(new Error(`troupe ${args.join(' ')}: ${error.message}\n${output}${errors}`, { cause: error }))
    })
  })
}
