/**
 * `troupe doctor`: looks at everything that a server needs and says of each whether it is well, and what to do if not. It changes
 * nothing. Exit code 1 if there is a problem; warnings alone are 0.
 */

import { listHosts } from '#storage/cluster/leases.ts'
import { hasSchema } from '#storage/cluster/operator.ts'
import type { Database } from '#storage/pool.ts'
import { UnsafeSettings } from '#storage/settings.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import { ConfigError } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { type Command, CommandError, type Invocation } from './command.ts'
import { examineCluster } from './doctor/cluster.ts'
import { examineConfiguration } from './doctor/configuration.ts'
import { examineSchema, examineServer } from './doctor/database.ts'
import { examineDataDirectory } from './doctor/disk.ts'
import { type Finding, problem, reasonOf, warning, well } from './doctor/finding.ts'
import { examineNats } from './doctor/nats.ts'
import { examineNetwork } from './doctor/network.ts'
import { lookAtCluster } from './look.ts'
import { openExisting } from './open-database.ts'

export const doctor: Command = {
  name: 'doctor',
  usage: '[--json]',
  summary: 'Look at settings, database, NATS, clock, certificates and disk, and say what to do',
  options: { json: { type: 'boolean', default: false } },
  positionals: 0,
  async run(invocation) {
    const findings = await examine(invocation)
    const problems = findings.filter(({ verdict }) => verdict === 'problem').length
    const warnings = findings.filter(({ verdict }) => verdict === 'warning').length
    if (invocation.values['json'] === true)
      invocation.terminal.write(`${JSON.stringify({ problems, warnings, findings }, undefined, 2)}\n`)
    else invocation.terminal.write(`${findingsText(findings)}\n${summary(problems, warnings)}\n`)
    return problems === 0 ? 0 : 1
  },
}

async function examine(invocation: Invocation): Promise<readonly Finding[]> {
  const program = well('program', `Node.js ${process.versions.node} on ${process.platform} ${process.arch}`)
  let config: Config
  try {
    config = invocation.config()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [program, ...error.problems.map((text) => problem('settings', text, 'See: npx troupe config'))]
  }
  const parts = await Promise.all([
    examineDataDirectory(config),
    examineDatabase(config),
    guarded('NATS', () => examineNats(config)),
    examineNetwork(config, systemClock.now()),
  ])
  return [program, ...examineConfiguration(config), ...parts.flat()]
}

async function examineDatabase(config: Config): Promise<Finding[]> {
  try {
    await using database = await openExisting(config)
    return await examineOpened(database, config)
  } catch (error) {
    return [databaseFailure(error)]
  }
}

async function examineOpened(database: Database, config: Config): Promise<Finding[]> {
  const { reads } = database
  if (!(await hasSchema(reads))) {
    const server = await examineServer(database, 0, systemClock)
    return [...server, well('schema', 'the database is empty; the first start fills it')]
  }
  const living = (await listHosts(reads)).filter((host) => host.alive).length
  return [
    ...(await examineServer(database, living, systemClock)),
    ...(await examineSchema(reads, config)),
    ...(await guarded('cluster', async () => examineCluster(await lookAtCluster(config, reads), config))),
  ]
}

function databaseFailure(error: unknown): Finding {
  if (error instanceof CommandError) {
    return warning('database', 'the embedded server does not run', `${error.message}, and look again.`)
  }
  const what = reasonOf(error)
  if (error instanceof UnsafeSettings)
    return problem('database', what, 'Nothing starts before that is put right.')
  return problem('database', `it cannot be used: ${what}`, 'Start PostgreSQL, or correct DATABASE_URL.')
}

/** What goes wrong while looking is a finding, too: the rest is told all the same. */
async function guarded(area: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look()
  } catch (error) {
    return [
      problem(
        area,
        `it could not be looked at: ${reasonOf(error)}`,
        'Look again when the other problems are gone.',
      ),
    ]
  }
}

const marks = { ok: 'ok     ', warning: 'warning', problem: 'PROBLEM' } as const

/** One line for each finding, and one below it for what to do. */
export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ area }) => area.length))
  const indent = ' '.repeat(marks.ok.length + width + 4)
  return findings
    .map(({ area, verdict, what, remedy }) => {
      const line = `${marks[verdict]}  ${area.padEnd(width)}  ${what}\n`
      return remedy === undefined ? line : `${line}${indent}→ ${remedy}\n`
    })
    .join('')
}

function summary(problems: number, warnings: number): string {
  if (problems === 0 && warnings === 0) return 'All is well.'
  const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`
  return `${count(problems, 'problem')}, ${count(warnings, 'warning')}.`
}
