/** Listens to what the production parts say of themselves: for the trace of a run, and for what must never be said (C10). */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { MatrixError } from '#protocol/errors.ts'
import type { ActivationEvent, BackgroundEvent, CommitEvent, ShardEvent } from '#actors/runtime/events.ts'
import type { FollowEvent } from '#actors/follow/events.ts'
import type { SweepEvent } from '#actors/sweep/events.ts'
import { ContentRefused } from '#actors/runtime/failures.ts'
import { ContentError } from './model/commit-group.ts'
import { ConnectionLost } from './server.ts'
import type { World } from './world.ts'

/** Errors that a rough world brings about. */
const weather = new Set(['Fenced', 'SeenTransaction', 'Discarded', 'AbortError', 'TimeoutError', 'BusError'])

/** Watches until it is disposed. */
export function watch(world: World): Disposable {
  const at = (): string => world.kernel.running?.name ?? '-'
  const listeners: readonly (readonly [string, (message: unknown) => void])[] = [
    ['troupe:activation', listener((event: ActivationEvent) => onActivation(world, event))],
    ['troupe:background', listener((event: BackgroundEvent) => onBackground(world, event))],
    ['troupe:commit', listener((event: CommitEvent) => onCommit(world, event))],
    ['troupe:sweep', listener((event: SweepEvent) => onSweep(world, event))],
    [
      'troupe:shard',
      listener(({ epoch, error, shard, what }: ShardEvent) =>
        world.trace(() => `${at()} shard ${shard} epoch ${epoch}: ${what} ${shortOf(error)}`),
      ),
    ],
    ['troupe:follow', listener((event: FollowEvent) => onFollow(world, event))],
  ]
  for (const [name, run] of listeners) subscribe(name, run)
  return {
    [Symbol.dispose]: () => {
      for (const [name, run] of listeners) unsubscribe(name, run)
    },
  }
}

/** The channels carry one type each. */
function listener<T>(run: (event: T) => void): (message: unknown) => void {
  return (message) => run(message as T)
}

function onActivation(world: World, { error, key, kind, what }: ActivationEvent): void {
  if (what === 'parked' && !world.people.poisoned.has(key)) world.found('C10', `${kind} ${key} is ${what}`)
  if (error === undefined) return
  world.trace(() => `${world.kernel.running?.name} ${kind} ${key}: ${what} ${shortOf(error)}`)
  if (!isExpected(error)) world.found('C10', `${kind} ${key} ${what}: ${textOf(error)}`)
}

function onBackground(world: World, { error, kind, name }: BackgroundEvent): void {
  if (error === undefined || isWeather(error) || error instanceof MatrixError) return
  world.found('C10', `background ${kind} ${name}: ${textOf(error)}`)
}

function onFollow(world: World, { error, shard, what, why }: FollowEvent): void {
  const at = world.kernel.running?.name ?? '-'
  world.trace(() => `${at} follows ${shard ?? 'sessions'}: ${what} ${why ?? shortOf(error)}`)
  if (error !== undefined && !isWeather(error) && !(error instanceof MatrixError))
    world.found('C10', `following at ${at}: ${textOf(error)}`)
}

function onCommit(world: World, { error, result, rows, shards }: CommitEvent): void {
  if (result !== 'committed')
    world.trace(() => `${world.kernel.running?.name} commit of ${rows} rows in ${shards} shards: ${result}`)
  // A call that is given up because every lane of it is closed fails with that reason.
  if (result === 'content' && !isExpected(error))
    world.found('C10', `a commit was refused for its content: ${textOf(error)}`)
}

function onSweep(world: World, { deleted, shard }: SweepEvent): void {
  const gone = Object.entries(deleted).filter(([, rows]) => rows > 0)
  if (gone.length > 0)
    world.trace(() => `${world.kernel.running?.name} sweeps ${shard ?? 'the rest'}: ${gone.join(' ')}`)
}

/** What the script itself asks for. */
function isExpected(error: unknown): boolean {
  if (error instanceof ContentError && error.message === 'untranslatable_character') return true
  return isWeather(error) || (error instanceof ContentRefused && isExpected(error.cause))
}

function isWeather(error: unknown): boolean {
  return error instanceof ConnectionLost || (error instanceof Error && weather.has(error.name))
}

function shortOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : ''
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : 'something that is no error'
}
