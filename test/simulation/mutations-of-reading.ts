/** Faults in how logs are followed, and in what clients are told of them. */

import { because, type Edit, type Mutation } from './mutation.ts'

/** The heads in memory are what the feed has proven, though more has been read from Postgres: by itself it does no harm. */
const memoryGoesBack: Edit = {
  file: 'actors/user/sync/carried.ts',
  find: 'if (proven > (carried[shard] ?? 0)) carried[shard] = proven',
  replace: 'carried[shard] = proven',
}

export const following: readonly Mutation[] = [
  {
    name: 'heads are announced with every commit',
    sentence: 'The owner announces the head at most 20 times a second.',
    file: 'actors/runtime/announcer.ts',
    find: 'const intervalMs = 50',
    replace: 'const intervalMs = 0',
  },
  {
    name: 'a missing message does not break the chain',
    sentence:
      'An unbroken chain proves that nothing the host follows lies between; a broken chain empties the rings.',
    file: 'actors/follow/chain.ts',
    find: 'if (message.epoch !== this.#epoch || message.prev > this.#proven) return',
    replace: 'if (message.epoch !== this.#epoch) return',
  },
  {
    name: 'a new epoch does not break the chain',
    sentence: 'A broken chain or a new epoch empties the rings and follows again.',
    file: 'actors/follow/chain.ts',
    find: 'if (message.epoch !== this.#epoch || message.prev > this.#proven) return',
    replace: 'if (message.prev > this.#proven) return',
    test: 'actors/follow/follow.test.ts',
    because: because.guarded,
  },
  {
    name: 'rings keep what they had when the chain broke',
    sentence: 'A broken chain empties the rings of the shard.',
    file: 'actors/follow/follower.ts',
    find: '    this.#rings.clearShard(shard)\n',
    replace: '',
  },
  {
    name: 'heads are not polled',
    sentence: 'Everybody also polls all heads: correct if NATS delivers nothing.',
    file: 'actors/follow/follower.ts',
    find: '    const heads = await this.#readHeads()\n    for',
    replace: '    const heads = { positions: [] as number[] }\n    for',
  },
  {
    name: 'an old follow request undoes a new one',
    sentence: 'The owner answers a follow with the position from which it sends.',
    file: 'actors/follow/leader.ts',
    find: 'if (known !== undefined && request.number < known.number) return undefined',
    replace: '',
    test: 'actors/follow/leader.test.ts',
    because: because.rare,
  },
  {
    name: 'owners of before the failover are believed',
    sentence: 'Tokens and epochs of a database that lost commits say nothing about this one.',
    file: 'actors/follow/follower.ts',
    find: 'return epoch < leastEpoch(this.#incarnation) ? undefined : proven',
    replace: 'return epoch < 0 ? undefined : proven',
    test: 'actors/follow/follower.test.ts',
    because: because.rare,
  },
  {
    name: 'rows that concern one user are not sent to the owner of his shard',
    sentence: 'What concerns one user also goes to the owner of his shard, whatever room it is in.',
    file: 'actors/follow/leader.ts',
    find: 'return userShard !== undefined && (follower.userShards & userShard) !== 0n',
    replace: 'return false',
    test: 'actors/follow/leader.test.ts',
    because: because.rare,
  },
]

const typing: readonly Mutation[] = [
  {
    name: 'a token does not say that its client was left with somebody typing',
    sentence: 'Typing is memory only: another start means that the present state is told once.',
    file: 'actors/user/sync/typing.ts',
    find: '(isTyping ? 1 : 0)',
    replace: '(isTyping ? 0 : 0)',
  },
  {
    name: 'a client that may know a room is not told that nobody types there',
    sentence: 'Typing is memory only: another start means that the present state is told once.',
    file: 'actors/user/sync/answer.ts',
    find: 'mayKnow: plan.since !== undefined',
    replace: 'mayKnow: false',
  },
  {
    name: 'who types is not taken from the owner when the chain broke',
    sentence: 'A broken chain or a new epoch follows again.',
    file: 'actors/follow/follower.ts',
    find: '    this.#takeTyping(shard, asked, reply)\n',
    replace: '',
  },
  {
    name: 'who typed under the owner before goes on typing for the new one',
    sentence: 'Typing is memory only.',
    file: 'actors/follow/follower.ts',
    find: "      if (ring.typing.userIds.length > 0)\n        this.ephemeral({ roomId: ring.roomId, type: 'm.typing', userIds: [] })\n",
    replace: '',
    test: 'actors/follow/typing.test.ts',
    because: because.rare,
  },
  {
    name: 'a feed of the owner begins to follow with nobody typing',
    sentence: 'In one process all of this is a function call.',
    file: 'actors/follow/follower.ts',
    find: '    ring.typing = { version: 1, userIds: this.#typingHere.get(shard)?.get(roomId) ?? [] }\n',
    replace: '',
  },
  {
    name: 'an owner believes what the one before says of typing',
    sentence: 'Typing is memory only.',
    file: 'actors/follow/follower.ts',
    find: "if (ring === undefined || this.#chain(ring.shard).state === 'local') return\n    if (isSaidBefore",
    replace: 'if (ring === undefined) return\n    if (isSaidBefore',
    test: 'actors/follow/typing.test.ts',
    because: because.rare,
  },
  {
    name: 'an answer that the end of typing has overtaken brings it back',
    sentence: 'Typing is memory only.',
    file: 'actors/follow/wire.ts',
    find: 'return said.epoch < known.epoch || (said.epoch === known.epoch && said.typed < known.typed)',
    replace: 'return said.epoch < known.epoch',
    test: 'actors/follow/typing.test.ts',
    because: because.rare,
  },
  {
    name: 'the typing of an activation does not end with it',
    sentence: 'Typing is memory only.',
    file: 'actors/room/room.ts',
    find: "    context.signal.addEventListener('abort', () => this.#typing.stopAll(), { once: true })\n",
    replace: '',
  },
  {
    name: 'somebody begins to type in an activation that has ended',
    sentence: 'Typing is memory only.',
    file: 'actors/room/typing.ts',
    find: '    if (this.#context.signal.aborted) return\n',
    replace: '',
    test: 'actors/room/typing.test.ts',
    because: because.rare,
  },
]

export const syncing: readonly Mutation[] = [
  ...typing,
  {
    name: 'a token of another version is an error',
    sentence: 'An unknown version or incarnation gives a fresh limited state, never an error loop.',
    file: 'actors/user/sync/request.ts',
    find: "case 'unknown-version':\n      return 'foreign'",
    replace:
      "case 'unknown-version':\n      throw new MatrixError('M_INVALID_PARAM', 'Not a token of this version.')",
  },
  {
    name: 'the token names the heads and not what was included',
    sentence: 'The new token is what was actually included.',
    file: 'actors/user/sync/engine.ts',
    find: '      positions: heads,\n      toDevice',
    replace: '      positions: (await this.#carried.readHeads()).positions,\n      toDevice',
  },
  {
    name: 'a sync goes on to heads that another owner of the shard has written',
    sentence: 'The new token is what was actually included.',
    file: 'actors/user/sync/carried.ts',
    find: 'if ((heads.epochs[this.#shard] ?? 0) > this.#epoch)',
    replace: 'if (this.#epoch < 0)',
    test: 'actors/user/sync/carried.test.ts',
    because: because.rare,
  },
  {
    name: 'the to-device position is the head',
    sentence: 'The token holds the to-device position last included.',
    file: 'actors/user/sync/engine.ts',
    find: 'toDevice: given.toDevice,',
    replace: 'toDevice: heads[this.shard] ?? 0,',
  },
  {
    name: 'rooms in memory stand in though rows may be missing',
    sentence:
      'A set of rooms in memory may stand in only if it has been carried through every such row up to the head used.',
    file: 'actors/user/sync/carried.ts',
    find: 'const proven = this.#live[shard] === true ? this.#host.feed.provenTo(shard) : undefined',
    replace: 'const proven = this.#host.feed.provenTo(shard)',
  },
  {
    name: 'rings stand in beyond what the chain has proven',
    sentence: 'An unbroken chain proves that nothing lies between.',
    file: 'actors/user/sync/answer.ts',
    find: 'const isProven = (user.host.feed.provenTo(ask.room.shard) ?? -1) >= ask.upTo',
    replace: 'const isProven = user.host.feed.provenTo(ask.room.shard) !== undefined',
  },
  {
    name: 'a gap in the timeline hides its state',
    sentence:
      'State is differences of roots at two positions, never of "the state after the last timeline event".',
    file: 'actors/user/sync/state.ts',
    find: 'const before = view.timeline.limited ? afterwards(await host.states.diff(roomNid, since, start)) : []\n',
    replace: 'const before: StoredEvent[] = []\n  if (start !== undefined) return before\n',
  },
  {
    name: 'changed devices are answered before the rooms have them',
    sentence: 'The request is answered when the local rooms have it.',
    file: 'actors/user/fanout.ts',
    find: 'await Promise.all(jobs.filter((job) => job.userId === userId).map((job) => job.ended))',
    replace: 'await Promise.all(jobs.filter((job) => job.userId === undefined).map((job) => job.ended))',
  },
  {
    name: 'changes of the owner before are not waited for',
    sentence: 'The request is answered when the local rooms have it.',
    file: 'actors/user/fanout.ts',
    find: '    await this.#shards.get(shard)?.recovery?.promise\n',
    replace: '',
  },
  {
    name: 'the cursor of what rooms have been told stands still',
    sentence:
      'A cursor moves in a transaction of its own shard; whoever claims a shard begins with what lies after it.',
    file: 'actors/user/fanout.ts',
    find: '    if (owned === undefined) return []\n    const moves',
    replace: '    if (owned !== undefined || owned === undefined) return []\n    const moves',
    test: 'test/integration/account-fanout.test.ts',
    because: 'rooms drop what they are told twice, so that only work is lost',
  },
  {
    name: 'what the owner before left is not told',
    sentence: 'Whoever claims a shard begins with what lies after the cursor.',
    file: 'actors/user/fanout.ts',
    find: '      if (known.has(pos)) continue\n',
    replace: '      if (known.has(pos) || pos > 0) continue\n',
  },
  {
    name: 'tokens of another incarnation are believed',
    sentence: 'An unknown version or incarnation gives a fresh limited state.',
    file: 'actors/user/sync/request.ts',
    find: "return read.token.incarnation === incarnation ? read.token : 'foreign'",
    replace: 'return { ...read.token, incarnation }',
  },
  {
    name: 'an activation outlives the incarnation that it was loaded in',
    sentence: 'Tokens and positions of another incarnation say nothing about this one.',
    file: 'actors/user/sync/carried.ts',
    find: 'if (after !== undefined && heads.incarnation !== this.#incarnation)',
    replace: 'if (after === null)',
    test: 'actors/user/sync/carried.test.ts',
    because: because.guarded,
  },
  {
    name: 'a component of a token decreases',
    sentence: 'A component never decreases.',
    file: 'actors/user/sync/engine.ts',
    find: 'plan.timeoutMs > 0 && isAtMost(from.positions, known)) {',
    replace: 'plan.timeoutMs > 0) {',
    also: memoryGoesBack,
  },
  {
    name: 'to-device messages are deleted when they are sent',
    sentence:
      'To-device rows are deleted only by a to-device position that this incarnation gave, in `since` of /sync.',
    file: 'actors/user/sync/engine.ts',
    find: '    const { parts } = given\n    const says',
    replace:
      '    const { parts } = given\n    this.own.acknowledgeToDevice(plan.deviceId, given.toDevice)\n    const says',
  },
  {
    name: 'to-device messages are deleted by the head',
    sentence: 'To-device rows are never deleted by the head.',
    file: 'actors/user/sync/engine.ts',
    find: 'this.own.acknowledgeToDevice(plan.deviceId, plan.since.toDevice)',
    replace: 'this.own.acknowledgeToDevice(plan.deviceId, plan.since.positions[this.shard] ?? 0)',
  },
  {
    name: 'who comes back is counted from his first stay',
    sentence: 'Unread counts are kept per user and room from the log.',
    file: 'actors/user/sync/unread.ts',
    find: 'return unread?.joinedAt === joinedAt(room, upTo) ? unread : undefined',
    replace: 'return unread',
    test: 'actors/user/sync/unread.test.ts',
    because: because.rare,
  },
  {
    name: 'a room that somebody has left is read on for him',
    sentence: "A gap is never read as a whole, each sync reads only its own rooms' rows.",
    file: 'actors/user/sync/sections.ts',
    find: "      case 'leave':\n      case 'ban':\n",
    replace:
      "      case 'leave':\n      case 'ban':\n        if (!changed && range.since !== undefined) steady.push({ room, mode: 'steady', after, upTo })\n",
  },
  {
    name: 'a membership takes the place of the one before it',
    sentence: 'What concerns one user is a row of the log …, never overwritten.',
    file: 'test/simulation/model/tables.ts',
    find: 'this.byUser.getOrInsertComputed(record.userId, () => []).push(record)',
    replace:
      'this.byUser.set(record.userId, [...(this.byUser.get(record.userId) ?? []).filter(({ roomNid }) => roomNid !== record.roomNid), record])',
  },
  {
    name: 'own rows are read up to other heads than those of the token',
    sentence:
      "Sync takes the heads of all 64 shards, committed values in one statement; then U's own rows in (since, head] …; only then the rows of those rooms.",
    file: 'actors/user/sync/carried.ts',
    find: '    const heads = await feed.readHeadsNow()\n',
    replace:
      '    const early = await feed.readHeadsNow()\n    const earlyRows = this.#carried && (await readOwnRows(reads, this.#userId, { after: this.#carried, upTo: early.positions }))\n    const heads = await feed.readHeadsNow()\n    if (earlyRows !== undefined && heads.incarnation === this.#incarnation) {\n      this.#takeUp(earlyRows, heads)\n      return heads\n    }\n',
  },
  {
    name: 'heads from memory and heads of before are put together',
    sentence: 'Heads that come from different places are never compared across shards.',
    file: 'actors/user/sync/carried.ts',
    find: '      if (proven === undefined) return undefined\n',
    replace: '      if (proven === undefined) continue\n',
  },
  {
    name: 'typing of another activation passes for that of this one',
    sentence: "A small counter of the user's activation (random start, compared for equality only).",
    file: 'actors/user/sync/typing.ts',
    find: 'told >= this.#start && told <= this.#now',
    replace: 'told <= this.#now + 2 ** 41',
  },
  {
    name: 'a token above the heads in memory is foreign at once',
    sentence:
      'A component above the head in memory first asks Postgres; only above the committed head is a token foreign.',
    file: 'actors/user/sync/engine.ts',
    find: 'plan.timeoutMs > 0 && isAtMost(from.positions, known)) {\n      return { heads: known, since: from }',
    replace:
      'plan.timeoutMs > 0) {\n      return { heads: known, since: isAtMost(from.positions, known) ? from : undefined }',
    also: memoryGoesBack,
  },
  {
    name: 'the newest events of a room are kept when one has come',
    sentence: 'The new token is what was actually included.',
    file: 'actors/user/sync/host.ts',
    find: "      if (entry.kind === 'event') this.newest.forget(entry.roomNid)\n",
    replace: '',
  },
]

const heldSentence =
  'A cached entry holds while the gateway has seen the session rows up to heads at most one second old, else it asks Postgres.'

export const sessions: readonly Mutation[] = [
  {
    name: 'a session that is kept counts for ever',
    sentence: heldSentence,
    file: 'gateway/http/session-cache.ts',
    find: 'return this.#clock.monotonic() - knownAtMs <= stalenessMs',
    replace: 'return this.#clock.monotonic() - knownAtMs <= stalenessMs * 1e6',
  },
  {
    name: 'a session that is read while one ends is kept',
    sentence: heldSentence,
    file: 'gateway/http/session-cache.ts',
    find: 'if (revocations === this.#revocations) this.#keep',
    replace: 'if (revocations <= this.#revocations) this.#keep',
  },
  {
    name: 'the session rows count as seen up to the answer',
    sentence: heldSentence,
    file: 'actors/follow/sessions.ts',
    find: '    this.#seenAtMs = startedAt\n',
    replace: '    this.#seenAtMs = Math.max(startedAt, this.#clock.monotonic())\n',
  },
  {
    name: 'sessions that a failover has lost stay where they are kept',
    sentence: 'Tokens and positions of another incarnation say nothing about this one.',
    file: 'actors/follow/sessions.ts',
    find: "      for (const listener of this.#listeners) listener({ userId: 'everybody', deviceIds: 'all' })\n",
    replace: '',
  },
  {
    name: 'the session rows are not looked at again once that has failed',
    sentence: heldSentence,
    file: 'actors/follow/sessions.ts',
    find: "        .catch((error: unknown) => reportFollow({ what: 'poll-failed', error }))\n        .finally(() => this.#schedule())\n",
    replace:
      "        .then(() => this.#schedule())\n        .catch((error: unknown) => reportFollow({ what: 'poll-failed', error }))\n",
  },
  {
    name: 'a logout leaves no row',
    sentence: 'Revocation is a log row of kind session.',
    file: 'actors/user/sessions.ts',
    find: "  draft.log('session', { deviceIds })\n",
    replace: '',
  },
  {
    name: 'a read that began long ago is joined',
    sentence: heldSentence,
    file: 'gateway/http/session-cache.ts',
    find: 'if (running !== undefined && this.#isCurrent(running)) return',
    replace: 'if (running !== undefined) return',
    test: 'gateway/http/session-cache.test.ts',
    because: because.rare,
  },
  {
    name: 'a read of before a revocation is joined after it',
    sentence: heldSentence,
    file: 'gateway/http/session-cache.ts',
    find: '    this.#pending.clear()\n',
    replace: '',
    test: 'gateway/http/session-cache.test.ts',
    because: because.rare,
  },
]
