/** Settings that are valid and yet not what a server on the internet should have. */

import type { Config } from '../../config/schema.ts'
import { type Finding, warning, well } from './finding.ts'

const area = 'settings'

export function examineConfiguration(config: Config): Finding[] {
  const roles = [...config.roles].join(' and ')
  return [
    well(area, `valid; server name ${config.serverName}, this process would be ${roles}`),
    ...nameFindings(config),
    ...doorFindings(config),
  ]
}

function nameFindings({ serverName }: Config): Finding[] {
  if (serverName !== 'localhost') return []
  return [
    warning(
      area,
      'the server is called localhost',
      'To be found from elsewhere set TROUPE_SERVER_NAME, which can never be changed once the database exists.',
    ),
  ]
}

function doorFindings(config: Config): Finding[] {
  const findings: Finding[] = []
  if (config.passwordHash === 'cheap') {
    findings.push(
      warning(
        area,
        'password hashes are cheap to try',
        'Leave TROUPE_PASSWORD_HASH away; cheap is for tests alone.',
      ),
    )
  }
  if (!config.rateLimits) {
    findings.push(
      warning(area, 'nobody is limited in his requests', 'Leave TROUPE_RATE_LIMITS away, or set it to on.'),
    )
  }
  if (config.registration === 'open') {
    findings.push(
      warning(
        area,
        'everybody may make an account, and so will spammers',
        'Set TROUPE_REGISTRATION to token or closed, unless the network is private.',
      ),
    )
  }
  return findings
}
