/**
 * What happens in one run, as data: what people do, and what goes wrong. It is drawn from a seed, and a run that fails can be tried
 * again with parts of it left out. Numbers name people, rooms and processes loosely: whoever carries a step out takes them modulo what
 * there is at that moment.
 */

import type { Random } from '#actors/runtime/clock.ts'
import type { BusFaults } from './network.ts'
import type { ServerFaults } from './server.ts'

export type Action =
  | { readonly kind: 'send'; readonly person: number; readonly room: number; readonly gaveUp: boolean }
  | { readonly kind: 'topic'; readonly person: number; readonly room: number; readonly value: number }
  | {
      readonly kind: 'member'
      readonly person: number
      readonly room: number
      readonly action: 'join' | 'leave' | 'invite' | 'kick' | 'ban' | 'unban'
      readonly target: number
    }
  | { readonly kind: 'receipt'; readonly person: number; readonly room: number }
  /** A message to somebody's device, and a one-time key of it. */
  | { readonly kind: 'toDevice'; readonly person: number; readonly target: number }
  | { readonly kind: 'accountData'; readonly person: number; readonly value: number }
  | { readonly kind: 'profile'; readonly person: number; readonly value: number }
  | { readonly kind: 'deviceKeys'; readonly person: number }
  /** Something that the database refuses, while others store what is good. */
  | { readonly kind: 'poison'; readonly person: number }
  /** A message of somebody who is leaving the room at that moment. */
  | { readonly kind: 'parting'; readonly person: number; readonly room: number }
  /** More messages than a sync tells of at once. */
  | { readonly kind: 'flood'; readonly person: number; readonly target: number }
  /** Somebody in a room that one has to be invited to invites another one; who has been invited declines. */
  | { readonly kind: 'invitation'; readonly person: number }
  /** Somebody types for so long, or says that he has ended: 0. */
  | { readonly kind: 'typing'; readonly person: number; readonly room: number; readonly ms: number }
  /** Somebody leaves a room and forgets it, and comes back. */
  | { readonly kind: 'forget'; readonly person: number; readonly room: number }
  /** Somebody logs in with another device, uses it here and there, and logs out. */
  | { readonly kind: 'session'; readonly person: number }

export type Fault =
  | { readonly kind: 'crash'; readonly host: number; readonly backAfterMs: number }
  /** The owner of a person's shard. */
  | { readonly kind: 'crashOwner'; readonly person: number; readonly backAfterMs: number }
  /** Whoever is `isDeaf` never hears what he was told meanwhile: the bus did not keep it for him. */
  | { readonly kind: 'pause'; readonly process: number; readonly ms: number; readonly isDeaf: boolean }
  /** The session that holds the lock of a host's id ends, and the host does not know: others take it for dead. */
  | { readonly kind: 'lostSession'; readonly host: number }
  | { readonly kind: 'drain'; readonly host: number; readonly backAfterMs: number }
  | { readonly kind: 'join' }
  | { readonly kind: 'gatewayCrash'; readonly gateway: number }
  | { readonly kind: 'cutFromBus'; readonly process: number; readonly ms: number }
  | { readonly kind: 'cutFromDatabase'; readonly process: number; readonly ms: number }
  | { readonly kind: 'busDown'; readonly ms: number }
  | { readonly kind: 'databaseRestart'; readonly ms: number }
  | { readonly kind: 'failOver'; readonly lostChanges: number }
  | { readonly kind: 'clock'; readonly process: number; readonly skewMs: number }
  /**
   * A snapshot of the disk is put back: nothing shows that the server is another one. `isTold`: by an operator who has ended everything before and
   * says so (`troupe restore`); else under the feet of hosts that run.
   */
  | { readonly kind: 'snapshot'; readonly lostChanges: number; readonly isTold: boolean }

export type Step = { readonly atMs: number } & (Action | Fault)

/** Whether a step is something that a person does. */
export function isAction(step: Step): step is Extract<Step, Action> {
  return 'person' in step && step.kind !== 'crashOwner'
}

export interface Script {
  readonly hosts: number
  /** Of each host: the fewer they are, the more goes in one commit. */
  readonly committers: number
  readonly bus: BusFaults
  readonly server: ServerFaults
  /** Ascending by time. */
  readonly steps: readonly Step[]
}

export const personCount = 3
/** Into the last of them one has to be invited. */
export const roomCount = 3

const lengthMs = 9000
const actionCount = 42
/** Of runs in which a snapshot is put back, and in which nothing else happens to who owns what. */
const snapshots = 0.03

/** Draws a script. Each run has its own mixture: some faults often, others not at all. */
export function drawScript(random: Random): Script {
  const below = (limit: number): number => Math.floor(random.fraction() * limit)
  const chance = (probability: number): boolean => random.fraction() < probability
  const steps: Step[] = []
  const snapshot = chance(snapshots) ? drawSnapshot(below, chance) : undefined
  for (let i = 0; i < actionCount; i++) {
    // In bursts: what follows at once finds the actors busy.
    const atMs = below(lengthMs / 250) * 250 + (chance(0.5) ? below(4) : below(250))
    steps.push({ atMs, ...drawAction(below, chance) })
  }
  if (chance(0.04))
    steps.push({
      atMs: below(lengthMs),
      kind: 'flood',
      person: below(personCount),
      target: below(personCount),
    })
  if (snapshot === undefined && chance(0.15)) steps.push(...drawUnfinished(below))
  if (snapshot === undefined && chance(0.1)) {
    const ms = longAbsence(below)
    steps.push({ atMs: below(lengthMs / 6), kind: 'pause', process: below(2), ms, isDeaf: true })
  }
  if (snapshot !== undefined) steps.push({ atMs: 2000 + below(lengthMs - 2000), ...snapshot })
  // Whoever claims a shard where nobody has said a word cannot know what was there.
  const kinds = snapshot === undefined ? faultKinds.filter(() => chance(0.4)) : []
  const faults = kinds.length === 0 ? 0 : below(7)
  for (let i = 0; i < faults; i++) {
    const kind = kinds[below(kinds.length)]
    // A database that goes back twice may not even know that it did so the first time.
    if (kind === undefined || (kind === 'failOver' && steps.some((step) => step.kind === kind))) continue
    const fault = drawFault(kind, below)
    // What lasts long begins early, so that it ends within the run.
    const lastsLong = 'ms' in fault && fault.ms > lengthMs / 2
    steps.push({ atMs: below(lastsLong ? lengthMs / 6 : lengthMs), ...fault })
  }
  const isRough = chance(0.6)
  return {
    hosts: 2 + below(2),
    committers: 1 + below(2),
    bus: isRough
      ? {
          drop: random.fraction() * 0.1,
          duplicate: random.fraction() * 0.1,
          slow: random.fraction() * 0.2,
          slowMs: chance(0.2) ? 4000 : 200,
        }
      : { drop: 0, duplicate: 0, slow: 0, slowMs: 0 },
    server:
      snapshot === undefined && chance(0.6)
        ? {
            lostStatement: random.fraction() * 0.03,
            lostAnswer: random.fraction() * 0.05,
            slow: random.fraction() * 0.1,
            slowMs: chance(0.2) ? 14_000 : 300,
          }
        : { lostStatement: 0, lostAnswer: 0, slow: 0, slowMs: 0 },
    steps: steps.sort((a, b) => a.atMs - b.atMs),
  }
}

/** A change of a person that rooms are to be told of, by an owner who dies of it. */
function drawUnfinished(below: (limit: number) => number): Step[] {
  const atMs = below(lengthMs)
  const person = below(personCount)
  const action: Action =
    below(2) === 0 ? { kind: 'profile', person, value: below(100) } : { kind: 'deviceKeys', person }
  const crash: Fault = { kind: 'crashOwner', person, backAfterMs: below(3000) }
  return [
    { atMs, ...action },
    { atMs: atMs + 2 + below(10), ...crash },
  ]
}

/** As much as leases outlast, where hosts go on. */
function drawSnapshot(
  below: (limit: number) => number,
  chance: (probability: number) => boolean,
): Extract<Fault, { kind: 'snapshot' }> {
  const isTold = chance(0.5)
  return { kind: 'snapshot', lostChanges: 1 + below(isTold ? 30 : 8), isTold }
}

function longAbsence(below: (limit: number) => number): number {
  return 6500 + below(1000)
}

/** Long enough for a lease to end, or not. Milliseconds. */
function drawAbsence(below: (limit: number) => number): number {
  return below(2) === 0 ? longAbsence(below) : below(3000)
}

const faultKinds = [
  'crash',
  'pause',
  'drain',
  'lostSession',
  'join',
  'gatewayCrash',
  'cutFromBus',
  'cutFromDatabase',
  'busDown',
  'databaseRestart',
  'failOver',
  'clock',
] as const

function drawFault(kind: (typeof faultKinds)[number], below: (limit: number) => number): Fault {
  const process = below(8)
  switch (kind) {
    case 'crash':
    case 'drain':
      return { kind, host: process, backAfterMs: below(3000) }
    case 'pause':
      return { kind, process, ms: drawAbsence(below), isDeaf: below(2) === 0 }
    case 'cutFromBus':
    case 'cutFromDatabase':
      return { kind, process, ms: drawAbsence(below) }
    case 'lostSession':
      return { kind, host: process }
    case 'join':
      return { kind }
    case 'gatewayCrash':
      return { kind, gateway: process }
    case 'busDown':
    case 'databaseRestart':
      return { kind, ms: 200 + below(4000) }
    case 'failOver':
      return { kind, lostChanges: below(30) }
    case 'clock':
      return { kind, process, skewMs: (below(2) === 0 ? -1 : 1) * below(3_600_000) }
  }
}

function drawAction(below: (limit: number) => number, chance: (probability: number) => boolean): Action {
  const person = below(personCount)
  const room = below(roomCount)
  const dice = below(100)
  if (dice < 29) return { kind: 'send', person, room, gaveUp: chance(0.1) }
  if (dice < 32) return { kind: 'typing', person, room, ms: below(3) === 0 ? 0 : 500 + below(5000) }
  if (dice < 34) return { kind: 'forget', person, room }
  if (dice < 36) return { kind: 'session', person }
  if (dice < 39) return { kind: 'parting', person, room }
  if (dice < 41) return { kind: 'invitation', person }
  if (dice < 50) return { kind: 'topic', person, room, value: below(3) }
  if (dice < 68) return { kind: 'member', person, room, ...drawMembership(below) }
  if (dice < 78) return { kind: 'receipt', person, room }
  if (dice < 88) return { kind: 'toDevice', person, target: below(personCount) }
  if (dice < 92) return { kind: 'accountData', person, value: below(100) }
  if (dice < 95) return { kind: 'profile', person, value: below(100) }
  return { kind: dice < 98 ? 'deviceKeys' : 'poison', person }
}

function drawMembership(
  below: (limit: number) => number,
): Pick<Extract<Action, { kind: 'member' }>, 'action' | 'target'> {
  const actions = ['join', 'join', 'leave', 'invite', 'kick', 'ban', 'unban'] as const
  return { action: actions[below(actions.length)] ?? 'join', target: below(personCount) }
}
