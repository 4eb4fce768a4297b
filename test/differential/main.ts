/**
 * Compares the authorisation rules and the state resolution with Synapse's, on generated input, and prints a table as Markdown:
 *
 *   node test/differential/main.ts [--versions=1,2,…] [--pairs=5000] [--rooms=100] [--seed=1]
 *
 * Pairs and rooms are per room version. A difference that explained.ts does not know is printed with what led to it, and the
 * command fails. It is either a fault of ours or of the generator, and mended, or it is meant: then it gets its reason in
 * explained.ts, its explanation under "Decisions" in protocol/README.md, and a small case in test/fixtures/differential.json, which
 * differential.test.ts judges without Synapse. Rooms on which the algorithms can be read differently are cases of
 * test/fixtures/state-resolution.json. What is recorded of Synapse in the fixture is asked of it again at each run.
 */

import { parseArgs } from 'node:util'
import { checkAuth } from '#protocol/auth/check.ts'
import { canonicalJson } from '#protocol/json/canonical.ts'
import { forkedRoom, outdatedStates, seededDice } from '#protocol/state/random-room-fixture.ts'
import type { NodeId } from '#protocol/state/trie-node.ts'
import { trieEntries } from '#protocol/state/trie.ts'
import type { RoomGraph } from '#protocol/state/room-fixture.ts'
import { roomVersions } from '#protocol/versions/table.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { explanationOf, type Opinions } from './explained.ts'
import { randomPairs, type PairedEvent, type StateWithEvents } from './random-pairs.ts'
import { lookupIn, recordedCases } from './recorded.ts'
import { askSynapse, installSynapse } from './synapse.ts'

const eventsPerState = 25
const stepsPerRoom = 60
const limitMs = 15 * 60_000

interface Counts {
  pairs: number
  allowed: number
  rooms: number
  conflicts: number
  readonly explained: Map<string, number>
  readonly unexplained: unknown[]
}

const textOf = (event: PairedEvent): string => canonicalJson(event.pdu, 'lax')

async function comparePairs(
  rules: RoomVersionRules,
  seeds: readonly number[],
  counts: Counts,
): Promise<void> {
  const states = seeds.map((seed) => randomPairs(rules, seed, eventsPerState))
  const answers = await askSynapse(
    states.map(({ state, events }) => ({
      kind: 'auth',
      version: rules.id,
      state: state.map(textOf),
      events: events.map(textOf),
    })),
    limitMs,
  )
  for (const [at, pairs] of states.entries()) {
    // The cast is sound: the driver's first lines say what it answers.
    const { verdicts } = answers[at] as { verdicts: [Opinions['synapse'], string][] }
    compareState(rules, pairs, verdicts, counts)
  }
}

function compareState(
  rules: RoomVersionRules,
  { state, events }: StateWithEvents,
  verdicts: readonly [Opinions['synapse'], string][],
  counts: Counts,
): void {
  const lookup = lookupIn(state)
  for (const [at, event] of events.entries()) {
    const ours = checkAuth(rules, event.checked, lookup)
    const [synapse, why] = verdicts[at] ?? ['fail', 'no answer']
    counts.pairs++
    if (ours.ok) counts.allowed++
    if (ours.ok === (synapse === 'allow')) continue
    const explanation = explanationOf({ rules, event, ours, synapse, why })
    if (explanation === undefined)
      counts.unexplained.push({
        version: rules.id,
        state: state.map(({ pdu }) => pdu),
        event: event.pdu,
        ours,
        synapse: [synapse, why],
      })
    else counts.explained.set(explanation, (counts.explained.get(explanation) ?? 0) + 1)
  }
}

/** The recorded cases of which Synapse says something else than what is recorded. */
async function outdatedRecords(): Promise<readonly string[]> {
  const cases = recordedCases()
  const answers = await askSynapse(
    cases.map(({ rules, state, event }) => ({
      kind: 'auth',
      version: rules.id,
      state: state.map(textOf),
      events: [textOf(event)],
    })),
    limitMs,
  )
  return cases.flatMap(({ name, rules, synapse }, at) => {
    // The cast is sound: the driver's first lines say what it answers.
    const { verdicts } = answers[at] as { verdicts: [Opinions['synapse'], string][] }
    const [verdict, why] = verdicts[0] ?? ['fail', 'no answer']
    // What an exception says is a matter of the version of Python.
    if (verdict === synapse.verdict && (verdict === 'fail' || why === synapse.why)) return []
    return [`${name} (version ${rules.id}): Synapse says ${verdict}, ${why}`]
  })
}

/** Every second room is resolved from states that contain entries older than those that its events refer to. */
async function compareRooms(
  rules: RoomVersionRules,
  seeds: readonly number[],
  counts: Counts,
): Promise<void> {
  const forked = seeds.map((seed) => {
    const { room, tips } = forkedRoom(rules, seed, stepsPerRoom)
    const roots = seed % 2 === 0 ? outdatedStates(room, tips, seededDice(seed)) : tips.map((tip) => tip.after)
    return { seed, room, roots }
  })
  const answers = await askSynapse(
    forked.map(({ room, roots }) => ({
      kind: 'resolve',
      version: rules.id,
      events: room.events.map((event) => canonicalJson(event.pdu)),
      states: roots.map((root) => indexesOf(room, root)),
    })),
    limitMs,
  )
  for (const [at, { seed, room, roots }] of forked.entries()) {
    const resolution = room.resolve(roots)
    const ours = indexesOf(room, resolution.root)
    const { entries } = answers[at] as { entries: readonly number[] }
    counts.rooms++
    counts.conflicts += resolution.conflict.size
    if (JSON.stringify(ours) !== JSON.stringify(entries))
      counts.unexplained.push({ version: rules.id, seed, ours, synapse: entries })
  }
}

function indexesOf(room: RoomGraph, root: NodeId): readonly number[] {
  return [...trieEntries(room.nodes, root)].map(([, number]) => number - 1).sort((a, b) => a - b)
}

async function compare(rules: RoomVersionRules, options: Options): Promise<Counts> {
  const counts: Counts = {
    pairs: 0,
    allowed: 0,
    rooms: 0,
    conflicts: 0,
    explained: new Map(),
    unexplained: [],
  }
  const seeds = (count: number): number[] => Array.from({ length: count }, (_, at) => options.seed + at)
  await comparePairs(rules, seeds(Math.ceil(options.pairs / eventsPerState)), counts)
  await compareRooms(rules, seeds(options.rooms), counts)
  return counts
}

interface Options {
  readonly versions: readonly RoomVersionRules[]
  readonly pairs: number
  readonly rooms: number
  readonly seed: number
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      versions: { type: 'string', default: [...roomVersions.keys()].join(',') },
      pairs: { type: 'string', default: '5000' },
      rooms: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
    },
  })
  const wanted = values.versions.split(',')
  return {
    versions: wanted.flatMap((version) => roomVersions.get(version) ?? []),
    pairs: Number(values.pairs),
    rooms: Number(values.rooms),
    seed: Number(values.seed),
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  await installSynapse()
  for (const outdated of await outdatedRecords()) {
    console.error(`The fixture is out of date. ${outdated}`)
    process.exitCode = 1
  }
  const explained = new Map<string, number>()
  console.log('| version | pairs | allowed | explained | rooms | conflicts | not explained |')
  console.log('|---|---|---|---|---|---|---|')
  for (const rules of options.versions) {
    const counts = await compare(rules, options)
    const known = [...counts.explained.values()].reduce((sum, count) => sum + count, 0)
    for (const [why, count] of counts.explained) explained.set(why, (explained.get(why) ?? 0) + count)
    const { pairs, allowed, rooms, conflicts, unexplained } = counts
    console.log(`| ${[rules.id, pairs, allowed, known, rooms, conflicts, unexplained.length].join(' | ')} |`)
    for (const difference of unexplained.slice(0, 5)) console.error(JSON.stringify(difference))
    if (unexplained.length > 0) process.exitCode = 1
  }
  console.log('')
  for (const [why, count] of explained) console.log(`- ${why}: ${count}`)
}

await main()
