/** What it costs that one host tells another of one entry: at the owner, at the follower, and in NATS between them. */

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectNatsBus } from '#actors/bus/nats.ts'
import { FollowLeader } from '#actors/follow/leader.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'
import { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import { defaultShardCount } from '#actors/runtime/shards.ts'
import type { LogEntry } from '#storage/entry.ts'
import { natsServer } from '#test/support/nats.ts'
import { hopRoom, type HopReport } from './cluster-follower.ts'
import { processorTime } from './processor-time.ts'
import { messageText } from './workloads.ts'

/** Milliseconds of processor time for one entry. */
export interface HopCost {
  readonly publish: number
  readonly receive: number
  readonly bus: number
}

const warmUp = 5000
const counted = 30_000
/** Entries that leave together, and the pause after them. */
const burst = 20
const pauseMs = 1
const limitMs = 20_000

const deaf = { host() {}, claimed() {}, lost() {}, committed() {}, ephemeral() {} }

/** Measures over a nats-server of its own. Rejects when entries do not arrive in time. */
export async function measureHop(): Promise<HopCost> {
  await using stack = new AsyncDisposableStack()
  const nats = stack.use(await natsServer())
  const natsPid = nats.pid ?? 0
  const hooks = new FeedHooks()
  const clock = systemClock
  const bus = stack.use(await connectNatsBus({ url: nats.url, name: 'owner', clock, random: systemRandom }))
  stack.use(new FollowLeader({ bus, clock, hooks, local: deaf, shardCount: defaultShardCount }))
  hooks.host('1')
  await hooks.shard({ what: 'claimed', shard: hopRoom.shard, epoch: 1, head: 0 })
  const follower = fork(join(import.meta.dirname, 'cluster-follower.ts'), [nats.url], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  stack.defer(() => end(follower))
  await reportWhen(follower, ({ following }) => following)
  let pos = 0
  const send = async (count: number): Promise<HopReport> => {
    const before = pos
    for (let sent = 0; sent < count; sent += burst) {
      for (let n = 0; n < burst; n++) {
        const entries = [entryAt(pos + 1)]
        hooks.committed({ shard: hopRoom.shard, epoch: 1, prev: pos, to: pos + 1, entries })
        pos++
      }
      await delay(pauseMs)
    }
    return reportWhen(follower, ({ entries }) => entries >= before + count)
  }
  const from = await send(warmUp)
  const start = processorTime(0, 0, [natsPid])
  const to = await send(counted)
  const stop = processorTime(0, 0, [natsPid])
  return {
    publish: (stop.generator - start.generator) / counted,
    receive: (to.processorMs - from.processorMs) / counted,
    bus: ((stop.others[0] ?? 0) - (start.others[0] ?? 0)) / counted,
  }
}

async function reportWhen(follower: ChildProcess, isSo: (report: HopReport) => boolean): Promise<HopReport> {
  const endMs = performance.now() + limitMs
  for (;;) {
    const reply = once(follower, 'message', { signal: AbortSignal.timeout(limitMs) })
    follower.send({})
    const [report] = (await reply) as [HopReport]
    if (isSo(report)) return report
    if (performance.now() > endMs)
      throw new Error(`the follower has ${report.entries} entries and gets no more`)
    await delay(10)
  }
}

async function end(follower: ChildProcess): Promise<void> {
  if (follower.exitCode !== null || follower.signalCode !== null) return
  const exit = once(follower, 'exit')
  follower.kill('SIGTERM')
  await exit
}

/** A message as the benchmark sends it. */
function entryAt(pos: number): LogEntry {
  const json = JSON.stringify({
    auth_events: ['$create', '$power', '$member'].map((id) => id.padEnd(44, 'x')),
    content: { body: messageText(pos), msgtype: 'm.text' },
    depth: pos,
    hashes: { sha256: 'x'.repeat(43) },
    origin_server_ts: 1_790_000_000_000 + pos,
    prev_events: [`$${String(pos).padEnd(43, 'x')}`],
    room_id: hopRoom.roomId,
    sender: '@somebody:example.org',
    type: 'm.room.message',
  })
  // The casts are sound: nobody looks at what the names are made of.
  return {
    shard: hopRoom.shard,
    pos,
    epoch: 1,
    kind: 'event',
    roomId: hopRoom.roomId as LogEntry['roomId'],
    roomNid: 1,
    event: {
      nid: pos,
      eventId: `$${String(pos).padEnd(43, 'y')}`,
      type: 'm.room.message',
      stateKey: undefined,
      sender: '@somebody:example.org',
      originServerTs: 1_790_000_000_000 + pos,
      json,
      txn: { deviceId: 'DEVICE', txnId: `t${pos}` },
      redactedBy: undefined,
    } as LogEntry['event'],
    userId: undefined,
    membership: undefined,
    prevMembership: undefined,
    stateRoot: 'x'.repeat(43),
    body: undefined,
  }
}
