/** What activations use of their host. */

import type { Reads } from '#storage/reads.ts'
import type { Asker } from './client.ts'
import type { Clock, Random } from './clock.ts'
import type { EphemeralEvent } from './contract.ts'
import type { Lane, Submission } from './lane.ts'
import type { Poison } from './poison.ts'
import type { TurnWatch } from './turn-watch.ts'

export interface ActivationServices {
  readonly clock: Clock
  readonly random: Random
  readonly reads: Reads
  readonly ask: Asker
  readonly poison: Poison
  readonly turns: TurnWatch
  /** Hands a decision to the committer of its shard. */
  submit(submission: Submission): void
  /** Whether it is not to be known when decisions of this shard can be committed. */
  isStalled(lane: Lane): boolean
  /** Whether this host's lease certainly holds at this moment. */
  leaseValid(): boolean
  /** Whether a failure lies with the database's availability and not with the request. */
  isWeather(error: unknown): boolean
  /** Whether the database still is what the owner of this lane, and of all others of this host, goes by. Throws for the weather. */
  bearsOut(lane: Lane): Promise<boolean>
  ephemeral(shard: number, event: EphemeralEvent): void
}
