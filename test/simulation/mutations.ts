/**
 * Faults put into the program on purpose. Each breaks one sentence of the design, and something must notice: the simulator, or the test
 * that is named. What nothing notices is not held by anything.
 */

export interface Mutation {
  /** What is broken, in a few words. */
  readonly name: string
  /** The sentence of the design that no longer holds. */
  readonly sentence: string
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** The test file that must fail; absent: the simulator must. */
  readonly test?: string
}

const ownership: readonly Mutation[] = [
  {
    name: 'a host whose lease has expired goes on renewing it',
    sentence:
      'A lease that has expired cannot be revived: the host drops its shards and comes back as a new host.',
    file: 'actors/runtime/lease.ts',
    find: "if (renewed === false) return this.lapse('the lease has expired')",
    replace: 'if (renewed === false) return this.#schedule(retryMs)',
    test: 'actors/runtime/cluster.test.ts',
  },
  {
    name: 'an expired lease is revived, in SQL',
    sentence: 'A lease that has expired cannot be revived.',
    file: 'storage/cluster/leases.ts',
    find: 'where host_id = ${hostId} and expires_at > clock_timestamp()\n      returning host_id',
    replace: 'where host_id = ${hostId}\n      returning host_id',
    test: 'storage/cluster/cluster.test.ts',
  },
  {
    name: 'a host goes on when its lease is over',
    sentence: 'The host drops its shards and comes back as a new host.',
    file: 'actors/runtime/ownership.ts',
    find: "for (const { shard } of options.shards.lanes) options.shards.drop(shard, 'the lease is over')",
    replace: 'void options.shards',
    test: 'actors/runtime/cluster.test.ts',
  },
  {
    name: 'the head is read before the claim',
    sentence:
      'The successor reads its last position only in later statements, after the claim has committed.',
    file: 'actors/runtime/ownership.ts',
    find: 'const claims = await store.claim(hostId, wanted)',
    replace:
      'const early = await store.heads(wanted.map((claim) => claim.shard))\n    const claims = await store.claim(hostId, wanted)\n    const earlyHeads = claims.map(({ shard }) => early[wanted.findIndex((one) => one.shard === shard)] ?? 0)\n    store.heads = () => Promise.resolve(earlyHeads)',
  },
  {
    name: 'a claim does not look at the epoch',
    sentence: 'Claim is compare-and-set: WHERE epoch = $seen.',
    file: 'storage/cluster/shards.ts',
    find: 'on s.shard_id = seen.shard_id and s.epoch = seen.epoch',
    replace: 'on s.shard_id = seen.shard_id',
    test: 'storage/cluster/cluster.test.ts',
  },
  {
    name: 'an epoch is given twice',
    sentence: 'Claim: SET owner = $me, epoch = epoch + 1.',
    file: 'test/simulation/model/cluster/shards.ts',
    find: 'tables.shards[shard] = { epoch: epoch + 1, owner: hostId }',
    replace: 'tables.shards[shard] = { epoch: Math.max(1, epoch), owner: hostId }',
  },
  {
    name: 'a release that failed is not made up for',
    sentence: 'Each shard is owned by a host that serves it, or is free to be claimed.',
    file: 'actors/runtime/ownership.ts',
    find: "} finally {\n          // Where the release has failed, the next look finds a shard that is ours and not served, and releases it.\n          shards.drop(lane.shard, 'it has been given up')\n        }",
    replace: "} finally {\n        }\n        shards.drop(lane.shard, 'it has been given up')",
    test: 'actors/runtime/cluster.test.ts',
  },
]

const commits: readonly Mutation[] = [
  {
    name: 'the lock does not fence',
    sentence: 'Weaker locks, plain reads and foreign keys do not fence.',
    file: 'storage/migrations/0002-commit.sql',
    find: 'and epoch = part.e for no key update',
    replace: 'and epoch = part.e for key share',
    test: 'storage/commit-postgres.test.ts',
  },
  {
    name: 'the last row of a log is swept away',
    sentence: 'The last row of a log is never deleted.',
    file: 'storage/migrations/0006-sweep.sql',
    find: 'l.pos = any (going) and l.pos < head and',
    replace: '(l.pos = any (going) or l.pos = head) and',
    test: 'storage/sweep/sweep.test.ts',
  },
  {
    name: 'a statement that is under way is joined',
    sentence: 'It asks Postgres in a statement begun after the request arrived.',
    file: 'actors/follow/follower.ts',
    find: '      this.#heads = undefined\n      return this.#readHeads()',
    replace: '      return this.#readHeads().finally(() => {\n        this.#heads = undefined\n      })',
  },
  {
    name: 'no fence',
    sentence: 'It begins with SELECT 1 FROM shard WHERE shard_id = $s AND epoch = $e FOR NO KEY UPDATE.',
    file: 'test/simulation/model/commit-group.ts',
    find: 'parts.filter((part) => tables.shards[part.s]?.epoch !== part.e)',
    replace: 'parts.filter((part) => tables.shards[part.s] === undefined)',
  },
  {
    name: 'no fence, in SQL',
    sentence: 'It begins with SELECT 1 FROM shard WHERE shard_id = $s AND epoch = $e FOR NO KEY UPDATE.',
    file: 'storage/migrations/0002-commit.sql',
    find: 'where shard_id = part.s and epoch = part.e for no key update',
    replace: 'where shard_id = part.s for no key update',
    test: 'test/simulation/compare.test.ts',
  },
  {
    name: 'the stated position is not looked at',
    sentence:
      'It compares the greatest pos of the log with the position $p from which the owner says that it goes on.',
    file: 'test/simulation/model/commit-group.ts',
    find: 'if (head < part.p) return',
    replace: "if (part.p >= 0) return part.n > 0 ? 'fresh' : 'empty'\n  if (head < part.p) return",
  },
  {
    name: 'the stated position is not looked at, in SQL',
    sentence:
      'It compares the greatest pos of the log with the position $p from which the owner says that it goes on.',
    file: 'storage/migrations/0002-commit.sql',
    find: 'if coalesce(head.pos, 0) < part.p then',
    replace: 'if false then',
    test: 'test/simulation/compare.test.ts',
  },
  {
    name: 'positions come from a sequence',
    sentence: 'It inserts $p+1 … $p+n.',
    file: 'test/simulation/model/commit-group.ts',
    find: "pos: Number(row['pos']),",
    replace: "pos: Number(row['pos']) * 2,",
  },
  {
    name: 'a lost answer is taken for a failure',
    sentence: 'If its answer was lost, it is sent again, unchanged.',
    file: 'actors/runtime/committer.ts',
    find: "if (outcome.kind === 'weather') await this.#pause(attempt, abort.signal)",
    replace:
      "if (outcome.kind === 'weather') {\n        this.#inFlight = undefined\n        for (const part of parts) for (const one of part.submissions) settle(one, afterFailure())\n        break\n      }",
  },
  {
    name: 'what is sent again has grown',
    sentence: 'If its answer was lost, it is sent again, unchanged.',
    file: 'actors/runtime/committer.ts',
    find: "if (outcome.kind === 'weather') await this.#pause(attempt, abort.signal)",
    replace:
      "if (outcome.kind === 'weather') {\n        await this.#pause(attempt, abort.signal)\n        parts = partsOf([...parts.flatMap((part) => part.submissions), ...this.#queue.splice(0)])\n      }",
  },
  {
    name: 'our own rows are not recognised',
    sentence: 'If the row at $p+1 bears our epoch, the first one had landed: take its result.',
    file: 'test/simulation/model/commit-group.ts',
    find: "  return 'landed'\n",
    replace: "  throw new ContentError('the shard stands elsewhere than its owner believes')\n",
  },
  {
    name: 'rows of another epoch pass for our own',
    sentence: 'If the row at $p+1 bears our epoch …, for we are the only writer of this epoch.',
    file: 'storage/migrations/0002-commit.sql',
    find: 'where t.shard_id = part.s and t.pos = part.p + 1 and t.epoch = part.e;',
    replace: 'where t.shard_id = part.s and t.pos = part.p + 1;',
    test: 'test/simulation/compare.test.ts',
  },
  {
    name: 'a shard that stands behind is dropped like any other',
    sentence:
      'If the shard stands behind $p, Postgres has lost commits: stop, raise the incarnation, reload.',
    file: 'actors/runtime/committer.ts',
    find: "if (kind === 'behind') this.#options.onBehind(open)",
    replace: "if (kind !== 'behind' && kind !== 'fenced') this.#options.onBehind(open)",
    test: 'actors/runtime/committer.test.ts',
  },
  {
    name: 'another server is not noticed',
    sentence: 'A connection that finds others raises incarnation and epochs before its first write.',
    file: 'test/simulation/model/cluster/incarnation.ts',
    find: 'if (tables.timeline === serverTimeline) return false',
    replace: 'if (tables.timeline >= 0) return false',
  },
  {
    name: 'commits of a host go to the database beside each other',
    sentence: 'While one transaction is in flight, everything that its shards decide next waits.',
    file: 'actors/runtime/committer.ts',
    find: '    if (this.#running) return\n    this.#running = true\n',
    replace: '',
  },
  {
    name: 'a refused group fails as a whole',
    sentence:
      'A group that fails for its content is split by room until the culprit stands alone and only that actor goes.',
    file: 'actors/runtime/committer.ts',
    find: 'const parts = halves(submissions)\n    if (parts !== undefined) {',
    replace:
      'const parts = halves(submissions)\n    if (parts !== undefined) {\n      for (const one of submissions) settle(one, new ContentRefused(error))\n      return\n    }\n    if (parts !== undefined) {',
    test: 'actors/runtime/committer.test.ts',
  },
  {
    name: 'a failed decision does not take the later ones along',
    sentence: 'Nothing is committed that rests on a decision that failed.',
    file: 'actors/runtime/committer.ts',
    find: '    this.#failWhere((submission) => submission.actor === actor, afterFailure())\n    if (++lane.strikes',
    replace: '    void actor\n    if (++lane.strikes',
    test: 'actors/runtime/committer.test.ts',
  },
  {
    name: 'answers do not wait for the commit',
    sentence: 'Nothing that rests on an uncommitted decision leaves the actor: no 200.',
    file: 'actors/runtime/activation.ts',
    find: '    if (this.#durable === this.#decided) this.#release(call, value)\n',
    replace: '    if (this.#durable <= this.#decided) this.#release(call, value)\n',
  },
  {
    name: 'refusals do not wait for the commit',
    sentence: 'Nothing that rests on an uncommitted decision leaves the actor: no 403.',
    file: 'actors/runtime/activation.ts',
    find: 'if (this.#durable === this.#decided) this.#refuse(call, error)',
    replace: 'if (this.#durable <= this.#decided) this.#refuse(call, error)',
    test: 'actors/runtime/host.test.ts',
  },
  {
    name: 'other actors are told before the commit',
    sentence: 'Nothing that rests on an uncommitted decision leaves the actor: no message to another actor.',
    file: 'actors/runtime/activation.ts',
    find: 'if (this.#durable === this.#decided) queueMicrotask(() => this.#follow(follow))',
    replace: 'if (this.#durable <= this.#decided) queueMicrotask(() => this.#follow(follow))',
  },
  {
    name: 'followers are told before the commit',
    sentence: 'The owner sends what it has committed.',
    file: 'actors/runtime/committer.ts',
    find: '      outcome = await store.commit(toGroups(parts), abort.signal)\n',
    replace:
      '      const groups = toGroups(parts)\n      for (const part of parts) {\n        const { shard, epoch, position: prev } = part.lane\n        const batch = { shard, epoch, prev, to: prev + part.rows, entries: entriesOf(part) }\n        if (part.rows > 0) guarded("onCommitted", () => this.#options.onCommitted(batch))\n      }\n      outcome = await store.commit(groups, abort.signal)\n',
  },
  {
    name: 'transaction keys are forgotten',
    sentence: 'Idempotency lives with the effect, in its transaction and its shard.',
    file: 'test/simulation/model/tables.ts',
    find: 'if (record.txnKey !== null) this.byTxnKey.set(record.txnKey, record)',
    replace: '',
  },
  {
    name: 'transaction keys are forgotten, in SQL',
    sentence: 'Idempotency lives with the effect, in its transaction and its shard.',
    file: 'storage/migrations/0002-commit.sql',
    find: '  if keys is not null then',
    replace: '  if false then',
    test: 'test/simulation/compare.test.ts',
  },
  {
    name: 'memory answers whatever the lease says',
    sentence:
      "A read answered from an owner's memory is valid only while its lease is, with a second to spare.",
    file: 'actors/runtime/host.ts',
    find: 'leaseValid: () => this.#ownership.lease.isValid,',
    replace: 'leaseValid: () => true,',
    test: 'actors/runtime/cluster.test.ts',
  },
  {
    name: 'numbers are given again after a failover',
    sentence: 'Event numbers are unique per event id, never reused.',
    file: 'test/simulation/model/cluster/incarnation.ts',
    find: '  tables.nextEventNumber += numbersSkipped\n',
    replace: '',
  },
  {
    name: 'numbers are given again after a failover, in SQL',
    sentence: 'Event numbers are unique per event id, never reused.',
    file: 'storage/cluster/incarnation.ts',
    find: "setval('event_number', nextval('event_number') + ${eventNumbersSkipped}::bigint)",
    replace: '${eventNumbersSkipped}::bigint',
    test: 'storage/cluster/cluster.test.ts',
  },
  {
    name: 'an owner of an old epoch answers',
    sentence: 'An owner that meets a newer epoch than its own says nothing and drops the shard.',
    file: 'actors/runtime/shard-host.ts',
    find: 'if (head.epoch > epoch) {',
    replace: 'if (head.epoch > epoch + 1e9) {',
    test: 'actors/runtime/cluster.test.ts',
  },
]

const following: readonly Mutation[] = [
  {
    name: 'heads are announced with every commit',
    sentence: 'The owner announces the head at most 20 times a second.',
    file: 'actors/runtime/announcer.ts',
    find: 'const intervalMs = 50',
    replace: 'const intervalMs = 0',
    test: 'actors/runtime/cluster.test.ts',
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
    test: 'actors/follow/follower.test.ts',
  },
  {
    name: 'an old follow request undoes a new one',
    sentence: 'The owner answers a follow with the position from which it sends.',
    file: 'actors/follow/leader.ts',
    find: 'if (known !== undefined && request.number < known.number) return undefined',
    replace: '',
    test: 'actors/follow/leader.test.ts',
  },
  {
    name: 'owners of before the failover are believed',
    sentence: 'Tokens and epochs of a database that lost commits say nothing about this one.',
    file: 'actors/follow/follower.ts',
    find: 'return epoch < leastEpoch(this.#incarnation) ? undefined : proven',
    replace: 'return epoch < 0 ? undefined : proven',
    test: 'actors/follow/follower.test.ts',
  },
  {
    name: 'rows that concern one user are not sent to the owner of his shard',
    sentence: 'What concerns one user also goes to the owner of his shard, whatever room it is in.',
    file: 'actors/follow/leader.ts',
    find: 'return userShard !== undefined && (follower.userShards & userShard) !== 0n',
    replace: 'return false',
    test: 'actors/follow/leader.test.ts',
  },
]

const syncing: readonly Mutation[] = [
  {
    name: 'a token of another version is an error',
    sentence: 'An unknown version or incarnation gives a fresh limited state, never an error loop.',
    file: 'actors/user/sync/request.ts',
    find: "case 'unknown-version':\n      return 'foreign'",
    replace:
      "case 'unknown-version':\n      throw new MatrixError('M_INVALID_PARAM', 'Not a token of this version.')",
    test: 'test/integration/bad-input-parameters.test.ts',
  },
  {
    name: 'the token names the heads and not what was included',
    sentence: 'The new token is what was actually included.',
    file: 'actors/user/sync/engine.ts',
    find: '      positions: heads,\n      toDevice',
    replace: '      positions: (await this.#carried.readHeads()).positions,\n      toDevice',
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
    test: 'actors/user/fanout.test.ts',
  },
  {
    name: 'what the owner before left is not told',
    sentence:
      'A cursor moves in a transaction of its own shard; whoever claims a shard begins with what lies after it.',
    file: 'actors/user/fanout.ts',
    find: '    if (owned === undefined) return []\n    const moves',
    replace: '    if (owned !== undefined || owned === undefined) return []\n    const moves',
    test: 'test/integration/account-fanout.test.ts',
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
  },
  {
    name: 'a component of a token decreases',
    sentence: 'A component never decreases.',
    file: 'actors/user/sync/carried.ts',
    find: 'if (proven > (carried[shard] ?? 0)) carried[shard] = proven',
    replace: 'carried[shard] = proven',
    test: 'actors/user/sync/carried.test.ts',
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
    test: 'test/integration/sync-behaviour.test.ts',
  },
  {
    name: 'who comes back is counted from his first stay',
    sentence: 'Unread counts are kept per user and room from the log.',
    file: 'actors/user/sync/unread.ts',
    find: 'return unread?.joinedAt === joinedAt(room, upTo) ? unread : undefined',
    replace: 'return unread',
    test: 'actors/user/sync/unread.test.ts',
  },
]

export const mutations: readonly Mutation[] = [...ownership, ...commits, ...following, ...syncing]
