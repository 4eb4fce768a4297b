/** Faults in what a host does when it lacks the bus, connections for commits or answers to them. */

import type { Mutation } from './mutation.ts'

const cutOff =
  'A host that cannot reach the bus while others can hands its shards over, and never to and fro.'
const unable = 'Nothing is claimed before it can be committed to.'

export const lacking: readonly Mutation[] = [
  {
    name: 'a host counts as cut off without looking at the others',
    sentence: cutOff,
    file: 'actors/runtime/condition.ts',
    find: 'if (bus.healthy || !others) this.#aloneSinceMs = undefined',
    replace: 'if (bus.healthy) this.#aloneSinceMs = undefined',
    test: 'actors/runtime/cluster.test.ts',
    because: 'in a run the bus comes back to all at one moment',
  },
  {
    name: 'who was cut off comes back at once',
    sentence: cutOff,
    file: 'actors/runtime/condition.ts',
    find: 'if (healthy) this.#hold = this.#options.clock.after(this.#holdMs, () => this.#leaveCutOff())',
    replace: 'if (healthy) this.#leaveCutOff()',
    test: 'actors/runtime/cluster.test.ts',
    because: 'a run is over before a host that was cut off has its share again',
  },
  {
    name: 'who was cut off stays so when nobody else has the bus',
    sentence: cutOff,
    file: 'actors/runtime/condition.ts',
    find: 'if (bus.healthy && !others) this.#leaveCutOff()',
    replace: '',
    test: 'actors/runtime/cluster.test.ts',
    because: 'a run is over before it matters',
  },
  {
    name: 'shards are claimed without connections to commit over',
    sentence: unable,
    file: 'actors/runtime/ownership.ts',
    find: 'if (!this.#connections.areOpen) return this.#openConnections(survey)',
    replace: '',
    test: 'actors/runtime/cluster.test.ts',
    because: 'in the simulation Postgres has connections enough',
  },
  {
    name: 'that an owner serves is no news when his epoch is known',
    sentence: 'What was asked in between goes to nobody who can answer it.',
    file: 'actors/runtime/ask.ts',
    find: "if (news !== 'epoch' || ",
    replace: "if (news === 'replies lost' || ",
    test: 'actors/runtime/cluster.test.ts',
    because: 'in the simulation a request goes to nobody but the present owner',
  },
  {
    name: 'who waits for a commit that is not answered is kept waiting',
    sentence: 'When durability cannot be given the server refuses within seconds.',
    file: 'actors/runtime/committer.ts',
    find: '      this.#options.onStalled?.(isFirst)\n',
    replace: '',
    test: 'actors/runtime/faults.test.ts',
    because: 'a run asks again until there is an answer, however late',
  },
  {
    name: 'whose shard another host has claimed answers until he looks himself',
    sentence: "A read answered from an owner's memory is valid only while he is the owner.",
    file: 'actors/runtime/ownership.ts',
    find: 'if ((epochs.get(shard) ?? 0) > epoch) shards.drop',
    replace: 'if ((epochs.get(shard) ?? 0) < 0) shards.drop',
    test: 'actors/runtime/cluster.test.ts',
    because:
      'it makes the time shorter in which there are two owners; a message that is lost leaves it as it was',
  },
]
