/**
 * `npm run bench:protocol`: measures the rules of Matrix by themselves and prints the figures as Markdown.
 *
 *     --only=NAME     only `resolution`, `events` or `state`
 */

import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { diskBytesPerChange } from './protocol-disk.ts'
import { measureEvents } from './protocol-events.ts'
import { reachOfResolution, timeResolution } from './protocol-resolution.ts'
import { largeRoom, memberCount, mixedFork, smallFork, type Fork } from './protocol-rooms.ts'
import { bytesPerChange, heapBytesPerEntry, microsecondsPerChange } from './protocol-trie.ts'
import { roomVersions } from '#protocol/versions/table.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'

const resolutionRuns = 11
const resolutionVersions = ['1', '11', '12']
const eventVersion = '11'
const changes = 10_000

const progress = (text: string): void => void process.stderr.write(`${text}\n`)

function rulesOf(version: string): RoomVersionRules {
  const rules = roomVersions.get(version)
  if (rules === undefined) throw new RangeError(`There is no room version ${version}.`)
  return rules
}

function shown(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)]
}

interface ForkCase {
  readonly title: string
  readonly make: (room: Fork['room']) => Fork
  readonly wanted: string
}

const forkCases: readonly ForkCase[] = [
  { title: '2 conflicting memberships', make: smallFork, wanted: '≤ 5 ms' },
  { title: '50 events', make: (room) => mixedFork(room, 50, 1), wanted: '' },
  { title: '2,000 events', make: (room) => mixedFork(room, 2_000, 2), wanted: '≤ 500 ms, turn ≤ 20 ms' },
]

function resolutionRows(rules: RoomVersionRules): string[][] {
  progress(`resolution of version ${rules.id}`)
  const room = largeRoom(rules)
  const forks = forkCases.map((one) => ({ ...one, fork: one.make(room) }))
  return forks.map(({ title, fork, wanted }) => {
    const cost = timeResolution(fork, resolutionRuns)
    const reach = reachOfResolution(fork)
    return [
      `${title}, ${rules.stateResolution}`,
      `${shown(cost.totalMs)} ms`,
      `${shown(cost.longestTurnMs)} ms`,
      `${shown(cost.firstTotalMs)} ms`,
      `${shown(cost.firstLongestTurnMs)} ms`,
      shown(cost.turns),
      `${reach.conflicts} / ${reach.changes}`,
      `${reach.events} + ${reach.links}`,
      shown(reach.nodes),
      shown(reach.loads),
      wanted,
    ]
  })
}

function resolutionTable(): string[] {
  const head = [
    `Fork of a room of ${shown(memberCount)} members`,
    'Time',
    'Longest turn',
    'First run',
    'its longest turn',
    'Turns',
    'Conflicts / changes',
    'Events looked at + links only',
    'Nodes',
    'Loads',
    'Wanted',
  ]
  return table(
    head,
    resolutionVersions.flatMap((version) => resolutionRows(rulesOf(version))),
  )
}

function eventsTable(): string[] {
  progress('events')
  const rates = measureEvents(rulesOf(eventVersion))
  const row = (what: string, rate: number, compared: readonly [string, number] | undefined, wanted = '') => [
    what,
    `${shown(rate)}/s`,
    `${shown(1e6 / rate)} µs`,
    compared === undefined ? '' : `${shown(rate / compared[1])} × ${compared[0]}`,
    wanted,
  ]
  const hashing = ['JSON.parse and SHA-256', rates.parseAndHash] as const
  return table(
    [`Events of ${shown(rates.eventBytes)} bytes`, 'Rate', 'Each', 'Compared', 'Wanted'],
    [
      row('Canonical JSON', rates.canonical, ['JSON.stringify', rates.stringify]),
      row('Building', rates.build, ['JSON.stringify and SHA-256', rates.stringifyAndHash]),
      row('Checks without the signature, from the parsed event', rates.check, hashing, '≥ 20,000/s'),
      row('The same from its text', rates.parseAndCheck, hashing, '≥ 20,000/s'),
      row('Signing', rates.sign, undefined),
      row('Verifying the signature', rates.verify, undefined),
    ],
  )
}

async function stateTable(): Promise<string[]> {
  progress('state')
  const rows = [
    ['Memory per entry, 100,000 entries', `${shown(heapBytesPerEntry(100_000))} bytes`, '≤ 100 bytes'],
  ]
  for (const entries of [100, 10_000, 100_000]) {
    rows.push([`One change at ${shown(entries)} entries`, `${shown(microsecondsPerChange(entries))} µs`, ''])
  }
  const which = `per change, ${shown(changes)} changes at 10,000 entries`
  rows.push([`Bytes of nodes ${which}`, shown(bytesPerChange(10_000, changes)), '≤ 1,500'])
  progress('disk')
  const disk = await diskBytesPerChange(10_000, changes)
  rows.push([`Bytes on disk ${which}, with the index`, shown(disk), ''])
  return table(['State trie', 'Figure', 'Wanted'], rows)
}

const parts: Readonly<Record<string, () => string[] | Promise<string[]>>> = {
  resolution: resolutionTable,
  events: eventsTable,
  state: stateTable,
}

/** Each part has a process of its own, so that none suffers from the garbage and the compiled code of another. */
function partInOwnProcess(name: string): string {
  const script = fileURLToPath(import.meta.url)
  return execFileSync(process.execPath, [script, `--only=${name}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  if (values.only !== undefined) {
    const part = parts[values.only]
    if (part === undefined) throw new RangeError(`The parts are ${Object.keys(parts).join(', ')}.`)
    process.stdout.write(`${(await part()).join('\n')}\n`)
    return
  }
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`
  process.stdout.write(`${machine}, Node ${process.versions.node}.\n`)
  for (const name of Object.keys(parts)) process.stdout.write(`\n${partInOwnProcess(name)}`)
}

await main()
