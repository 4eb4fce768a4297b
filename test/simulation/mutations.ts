/** Faults in who owns what and in what is committed, and all faults together. */

import { lacking } from './mutations-of-lack.ts'
import { because, type Mutation } from './mutation.ts'
import { following, sessions, syncing } from './mutations-of-reading.ts'

const superseded =
  'Gap-free is about giving positions, not keeping rows: superseded receipts, account data and device rows are deleted.'

const ownership: readonly Mutation[] = [
  {
    name: 'a host whose lease has expired goes on renewing it',
    sentence:
      'A lease that has expired cannot be revived: the host drops its shards and comes back as a new host.',
    file: 'actors/runtime/lease.ts',
    find: "if (renewed === false) return this.lapse('the lease has expired')",
    replace: 'if (renewed === false) return this.#schedule(retryMs)',
  },
  {
    name: 'an expired lease is revived',
    sentence: 'A lease that has expired cannot be revived.',
    file: 'test/simulation/model/cluster/leases.ts',
    find: 'if (host === undefined || host.expiresAtMs <= server.nowMs) return false\n    leases',
    replace: 'if (host === undefined) return false\n    leases',
  },
  {
    name: 'an expired lease is revived, in SQL',
    sentence: 'A lease that has expired cannot be revived.',
    file: 'storage/cluster/leases.ts',
    find: 'where host_id = ${hostId} and expires_at > clock_timestamp()\n      returning host_id',
    replace: 'where host_id = ${hostId}\n      returning host_id',
    test: 'test/simulation/compare-cluster.test.ts',
    because: because.sql,
  },
  {
    name: 'a host goes on when its lease is over',
    sentence: 'The host drops its shards and comes back as a new host.',
    file: 'actors/runtime/ownership.ts',
    find: "for (const { shard } of options.shards.lanes) options.shards.drop(shard, 'the lease is over')",
    replace: 'void options.shards',
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
    test: 'test/simulation/compare-cluster.test.ts',
    because: because.sql,
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
    find: "} finally {\n        // Where the release has failed, the next look finds a shard that is ours and not served, and releases it.\n        shards.drop(lane.shard, 'it has been given up')\n      }",
    replace: "} finally {\n      }\n      shards.drop(lane.shard, 'it has been given up')",
    test: 'actors/runtime/cluster.test.ts',
    because: because.guarded,
  },
  {
    name: 'what a host hears is free is taken without a claim',
    sentence: 'Postgres rows; NATS only hints.',
    file: 'actors/runtime/ownership.ts',
    find: "    if (message.kind !== 'claimed') return this.hint()\n",
    replace:
      "    if (message.kind === 'released')\n      for (const shard of message.shards) void this.#options.shards.take(shard, directory.epochOf(shard) + 1, 0)\n    if (message.kind !== 'claimed') return this.hint()\n",
  },
  {
    name: "a lease goes by its host's own clock",
    sentence: 'Renew …, database clock only.',
    file: 'test/simulation/model/cluster/leases.ts',
    find: 'host.expiresAtMs, server.nowMs)\n    const expiresAtMs = server.nowMs + leaseMs',
    replace:
      'host.expiresAtMs, server.nowMs)\n    const expiresAtMs = access(session).connection.process.clock.now() - 1_700_000_000_000 + leaseMs',
  },
  {
    name: 'a host gives up shards though it has no more than its share',
    sentence: 'Each host aims at shards / live hosts, moves few at a time, and never flaps.',
    file: 'actors/runtime/shares.ts',
    find: 'return new Map(excess.filter(([, count]) => count > 0))',
    replace: 'return new Map(excess.map(([hostId, count]) => [hostId, count + 1]))',
  },
  {
    name: 'a lease is renewed over the connection for everything',
    sentence: 'Renew …, over a connection that serves nothing else.',
    file: 'actors/runtime/cluster-postgres.ts',
    find: '    if (this.#unchecked) await this.#check(session)\n    return renewHost(session,',
    replace:
      '    if (this.#unchecked) await this.#check(session)\n    return renewHost(this.#database.control,',
  },
]

const commits: readonly Mutation[] = [
  {
    name: 'a claim does not wait for a commit that has passed the fence',
    sentence: 'Weaker locks, plain reads and foreign keys do not fence.',
    file: 'test/simulation/model/cluster/shards.ts',
    find: '    server.rowLocks.demand(free.map(({ shard }) => shard))\n',
    replace: '',
  },
  {
    name: 'the lock does not fence, in SQL',
    sentence: 'Weaker locks, plain reads and foreign keys do not fence.',
    file: 'storage/migrations/0002-commit.sql',
    find: 'and epoch = part.e for no key update',
    replace: 'and epoch = part.e for key share',
    test: 'storage/commit-postgres.test.ts',
    because: because.sql,
  },
  {
    name: 'the last row of a log is swept away',
    sentence: 'The last row of a log is never deleted.',
    file: 'test/simulation/model/sweep-log.ts',
    find: 'found.going.has(pos) && pos < head && txnKey',
    replace: '(found.going.has(pos) || pos === head) && txnKey',
  },
  {
    name: 'the last row of a log is swept away, in SQL',
    sentence: 'The last row of a log is never deleted.',
    file: 'storage/migrations/0006-sweep.sql',
    find: 'l.pos = any (going) and l.pos < head and',
    replace: '(l.pos = any (going) or l.pos = head) and',
    test: 'test/simulation/compare.test.ts',
    because: because.sql,
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
    find: '.filter((part) => tables.shards[part.s]?.epoch !== part.e)',
    replace: '.filter((part) => tables.shards[part.s] === undefined)',
  },
  {
    name: 'no fence, in SQL',
    sentence: 'It begins with SELECT 1 FROM shard WHERE shard_id = $s AND epoch = $e FOR NO KEY UPDATE.',
    file: 'storage/migrations/0002-commit.sql',
    find: 'where shard_id = part.s and epoch = part.e for no key update',
    replace: 'where shard_id = part.s for no key update',
    test: 'test/simulation/compare.test.ts',
    because: because.sql,
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
    because: because.sql,
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
    because: because.sql,
  },
  {
    name: 'a shard that stands behind is dropped like any other',
    sentence:
      'If the shard stands behind $p, Postgres has lost commits: stop, raise the incarnation, reload.',
    file: 'actors/runtime/committer.ts',
    find: "if (kind === 'behind') this.#options.onBehind(open)",
    replace: "if (kind !== 'behind' && kind !== 'fenced') this.#options.onBehind(open)",
  },
  {
    name: 'a snapshot is put back and nobody says so',
    sentence: "A disk snapshot put back keeps both: that alone needs the operator's command.",
    file: 'test/simulation/nemesis.ts',
    find: 'void this.#operator(beginAnew)',
    replace: 'void this.#operator(() => Promise.resolve())',
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
  },
  {
    name: 'a failed decision does not take the later ones along',
    sentence: 'Nothing is committed that rests on a decision that failed.',
    file: 'actors/runtime/committer.ts',
    find: '    this.#failWhere((submission) => submission.actor === actor, afterFailure())\n    if (++lane.strikes',
    replace: '    void actor\n    if (++lane.strikes',
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
    because: because.sql,
  },
  {
    name: 'memory answers whatever the lease says',
    sentence:
      "A read answered from an owner's memory is valid only while its lease is, with a second to spare.",
    file: 'actors/runtime/host.ts',
    find: 'leaseValid: () => this.#ownership.lease.isValid,',
    replace: 'leaseValid: () => true,',
  },
  {
    name: 'numbers are given again after a failover',
    sentence: 'Event numbers are unique per event id, never reused.',
    file: 'test/simulation/model/cluster/incarnation.ts',
    find: '  tables.nextEventNumber = Math.max(tables.nextEventNumber + perIncarnation, least)\n',
    replace: '',
  },
  {
    name: 'numbers are given again after a failover, in SQL',
    sentence: 'Event numbers are unique per event id, never reused.',
    file: 'storage/cluster/incarnation.ts',
    find: "setval('event_number', greatest(nextval('event_number') + ${perIncarnation}::bigint, least))",
    replace: '${perIncarnation}::bigint',
    test: 'storage/cluster/cluster.test.ts',
    because: because.sql,
  },
  {
    name: 'one-time keys outlive a failover',
    sentence:
      'No one-time key is given to two: not after a failover either, which may have lost that it was given out.',
    file: 'test/simulation/model/cluster/incarnation.ts',
    find: "  tables.clear('one_time_key')\n",
    replace: '',
  },
  {
    name: 'an upload that is repeated brings back a key that was given out',
    sentence: 'No one-time key is given to two.',
    file: 'actors/user/keys.ts',
    find: 'if (json === undefined) return gone === undefined || sameText(gone) !== sameText(key.json)',
    replace: 'if (json === undefined) return true',
  },
  {
    name: 'two standbys begin the same incarnation',
    sentence: 'The incarnation is one that no other history has.',
    file: 'storage/cluster/incarnation.ts',
    find: 'greatest(c.incarnation + 1, floor(extract(epoch from clock_timestamp()))::bigint)',
    replace: 'c.incarnation + 1',
    test: 'storage/cluster/incarnation.test.ts',
    because: because.sql,
  },
  {
    name: 'what the database has lost is held against those who ask',
    sentence:
      'A message that kills an actor three times is parked; a database that has gone back kills nobody.',
    file: 'actors/runtime/activation.ts',
    find: '        if (guilty) this.#killed(call)\n',
    replace: '        if (guilty || call !== undefined) this.#killed(call)\n',
    test: 'actors/runtime/faults.test.ts',
    because: because.rare,
  },
  {
    name: 'a message that was lost with a failover is taken for delivered',
    sentence: 'Idempotency lives with the effect, in its transaction and its shard.',
    file: 'actors/user/core.ts',
    find: 'return this.#epochs.get(key) === epoch',
    replace: 'return this.#epochs.has(key)',
    test: 'actors/user/to-device.test.ts',
    because: because.rare,
  },
  {
    name: 'an owner of an old epoch answers',
    sentence: 'An owner that meets a newer epoch than its own says nothing and drops the shard.',
    file: 'actors/runtime/shard-host.ts',
    find: 'if (head.epoch > epoch) {',
    replace: 'if (head.epoch > epoch + 1e9) {',
    test: 'actors/runtime/cluster.test.ts',
    because: because.guarded,
  },
  {
    name: 'the first write over a connection comes before the look at the server',
    sentence: 'A connection that finds others raises incarnation and epochs before its first write.',
    file: 'storage/commit-postgres.ts',
    find: 'const query = this.#unchecked ? this.#checkThenCall(sql, args) : callOf(sql, args)',
    replace:
      'const query = this.#unchecked && args.rows < 0 ? this.#checkThenCall(sql, args) : callOf(sql, args)',
    test: 'storage/commit-postgres.test.ts',
    because: because.sql,
  },
  {
    name: 'a conflict that is expected is a failure',
    sentence: 'Expected conflicts (transaction id seen, alias taken) are results, not exceptions.',
    file: 'test/simulation/model/commit-group.ts',
    find: "if (seen.length > 0) return { kind: 'seen', keys: seen }",
    replace: "if (seen.length > 0) throw new ContentError('a transaction key was seen')",
  },
  {
    name: 'a message that comes again is delivered again',
    sentence:
      'A request that spans shards has no row of its own that proves anything: repeated, each part finds itself done.',
    file: 'actors/user/to-device.ts',
    find: 'if (this.#transactions.has(txnKey) || this.#core.wasSeen(txnKey)) return',
    replace: "txnKey = this.#core.context.clock.monotonic().toString(16).padEnd(22, '0')",
  },
  {
    name: 'a server that acknowledges before it has written is taken',
    sentence: 'Start-up refuses fsync=off, synchronous_commit=off, an encoding other than UTF-8.',
    file: 'storage/settings.ts',
    find: "if (settings.synchronousCommit === 'off') {",
    replace: "if (settings.synchronousCommit === 'never') {",
  },
  {
    name: 'what a user actor remembers of a room decides whether he may forget it',
    sentence: "An actor never reads another shard's memory to decide.",
    file: 'actors/user/user.ts',
    find: '      ...forgetHandlers(core),',
    replace: `      forget: async (body, caller) => {
        const remembered = this.#reading.rooms.get(body.roomId)?.changes.at(-1)?.membership
        if (remembered === 'join') throw new MatrixError('M_UNKNOWN', 'Still in the room.', { status: 400 })
        return forgetHandlers(core).forget(body, caller)
      },`,
  },
  {
    name: 'an actor knows another kind from within',
    sentence: "An actor never reads another shard's memory to decide.",
    file: 'actors/user/forget.ts',
    find: "import { MatrixError } from '#protocol/errors.ts'\n",
    replace: "import { MatrixError } from '#protocol/errors.ts'\nimport '../room/core.ts'\n",
    test: 'test/house/directions.test.ts',
    because: 'it is held by what may be imported',
  },
  {
    name: 'a row that nothing has made void is swept away',
    sentence: superseded,
    file: 'test/simulation/model/sweep-log.ts',
    find: 'if (latestPos > record.pos) found',
    replace: 'if (latestPos >= record.pos) found',
  },
  {
    name: 'a row that nothing has made void is swept away, in SQL',
    sentence: superseded,
    file: 'storage/migrations/0006-sweep.sql',
    find: 'case when c.pos > r.pos then r.pos when',
    replace: 'case when c.pos >= r.pos then r.pos when',
    test: 'test/simulation/compare.test.ts',
    because: because.sql,
  },
  {
    name: 'the last word on the devices of somebody is swept away',
    sentence: superseded,
    file: 'test/simulation/model/sweep-log.ts',
    find: 'other.pos < record.pos &&',
    replace: 'other.pos <= record.pos &&',
  },
  {
    name: 'what rooms have not been told of yet is swept away, in SQL',
    sentence: 'Rows above the cursor of their kind are still to be told to rooms, and stay.',
    file: 'storage/migrations/0006-sweep.sql',
    find: 'and (o.kind = 5 or o.pos <= (',
    replace: 'and (o.kind > 0 or o.pos <= (',
    test: 'test/simulation/compare.test.ts',
    because: because.sql,
  },
  {
    name: 'rows above the last position that is known to be answered are swept away',
    sentence: 'A commit that is sent again is recognised by its first row.',
    file: 'actors/sweep/log-sweep.ts',
    find: 'store.sweepLog({ shard, epoch, upTo, ageMs, look })',
    replace: 'store.sweepLog({ shard, epoch, upTo: upTo + 1e9, ageMs, look })',
    test: 'actors/sweep/log-sweep.test.ts',
    because: because.rare,
  },
]

export const mutations: readonly Mutation[] = [
  ...ownership,
  ...lacking,
  ...commits,
  ...following,
  ...syncing,
  ...sessions,
]
