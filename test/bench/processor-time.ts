/** Processor time and memory of processes, as Linux counts them in /proc. A process that has ended counts as zero. */

import { readdirSync, readFileSync } from 'node:fs'

/** Milliseconds of one clock tick of /proc; Linux reports a hundred in a second on every platform that Node runs on. */
const tickMs = 10

/** Processor time used so far, milliseconds. */
export interface ProcessorTime {
  readonly server: number
  /** The postmaster and all of its processes, those that have ended included. */
  readonly database: number
  /** Further processes that were named. */
  readonly others: readonly number[]
  /** This process. */
  readonly generator: number
  /** Everything on this machine, and what the hypervisor took. */
  readonly machine: number
}

interface Stat {
  readonly parent: number
  readonly own: number
  readonly endedChildren: number
}

function statOf(pid: number): Stat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The name, in parentheses, may hold spaces: the fields begin after it, with the state.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [parent = 0, utime = 0, stime = 0, cutime = 0, cstime = 0] = [1, 11, 12, 13, 14].map((i) => fields[i])
  return { parent, own: (utime + stime) * tickMs, endedChildren: (cutime + cstime) * tickMs }
}

function databaseTime(postmaster: number): number {
  const main = statOf(postmaster)
  if (main === undefined) return 0
  let sum = main.own + main.endedChildren
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = statOf(Number(name))
    if (stat?.parent === postmaster) sum += stat.own
  }
  return sum
}

function machineTime(): number {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n')
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, soft = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + interrupts + soft + steal) * tickMs
}

/** What has been used until now. */
export function processorTime(
  server: number,
  postmaster: number,
  others: readonly number[] = [],
): ProcessorTime {
  const own = process.cpuUsage()
  return {
    server: statOf(server)?.own ?? 0,
    database: databaseTime(postmaster),
    others: others.map((pid) => statOf(pid)?.own ?? 0),
    generator: (own.user + own.system) / 1000,
    machine: machineTime(),
  }
}

/** What was used between two readings. */
export function timeBetween(from: ProcessorTime, to: ProcessorTime): ProcessorTime {
  return {
    server: to.server - from.server,
    database: to.database - from.database,
    others: to.others.map((ms, n) => ms - (from.others[n] ?? 0)),
    generator: to.generator - from.generator,
    machine: to.machine - from.machine,
  }
}

/** Resident memory of a process, megabytes of 2^20 bytes. */
export function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
  return Number(kilobytes ?? Number.NaN) / 1024
}
