/** The processes of the cluster: who lives, who owns, and whether they are of one version. */

import type { ClusterView, HostView } from '../../admin/cluster-view.ts'
import type { Config } from '../../config/schema.ts'
import { programVersion } from '../../version.ts'
import { type Finding, problem, warning, well } from './finding.ts'

const area = 'cluster'

export function examineCluster(view: ClusterView, config: Config): Finding[] {
  const living = view.hosts.filter((host) => host.state !== 'gone')
  if (living.length === 0) {
    return [warning(area, 'no process lives', 'Start one: npx troupe start')]
  }
  return [
    well(area, `${living.length} alive: ${living.map((host) => host.name).join(', ')}`),
    ...ownerFindings(view),
    ...versionFindings(living),
    ...nameFindings(living),
    ...silenceFindings(living),
    ...busFindings(living, config),
  ]
}

function ownerFindings({ shards }: ClusterView): Finding[] {
  const ownerless = shards.filter((shard) => !shard.alive).map(({ shard }) => shard)
  if (ownerless.length === 0) return [well(area, `all ${shards.length} shards have a living owner`)]
  return [
    problem(
      area,
      `${ownerless.length} shards have no living owner: ${ownerless.slice(0, 10).join(', ')}${ownerless.length > 10 ? ' …' : ''}`,
      'Look again in ten seconds; if it stays so, start a process with the role actors and read the logs of those there are.',
    ),
  ]
}

function versionFindings(living: readonly HostView[]): Finding[] {
  const versions = [...new Set(living.map((host) => host.version))]
  const [only] = versions
  if (versions.length > 1) {
    const list = living.map((host) => `${host.name} ${host.version}`).join(', ')
    return [
      warning(
        area,
        `several versions run: ${list}`,
        'That is right during an upgrade; afterwards restart the older ones.',
      ),
    ]
  }
  if (only !== programVersion()) {
    return [
      warning(
        area,
        `version ${only} runs, and this command is ${programVersion()}`,
        'Restart the processes with this version, or use the command of theirs.',
      ),
    ]
  }
  return [well(area, `all of version ${only}`)]
}

function nameFindings(living: readonly HostView[]): Finding[] {
  const names = living.map((host) => host.name)
  const twice = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))]
  if (twice.length === 0) return []
  return [
    warning(
      area,
      `several processes are called ${twice.join(', ')}`,
      'Give each a TROUPE_HOST_NAME of its own: drain means all of a name.',
    ),
  ]
}

function silenceFindings(living: readonly HostView[]): Finding[] {
  const silent = living.filter((host) => host.answer === 'silent').map((host) => host.name)
  if (silent.length === 0) return []
  return [
    problem(
      area,
      `does not answer over the bus: ${silent.join(', ')}`,
      'Its log says why; restart it if it stays so. Its shards move when its lease ends.',
    ),
  ]
}

function busFindings(living: readonly HostView[], config: Config): Finding[] {
  if (living.length === 1 || config.natsUrls !== undefined) return []
  return [
    warning(
      area,
      'several processes live, and no NATS is set here',
      'Set NATS_URL for this command and for each of the processes: without it they cannot reach each other.',
    ),
  ]
}
