/** The same story through a real nats-server, with gateways and actor hosts as processes of their own. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCluster } from '../support/cluster.ts'
import { twoPeopleTalk } from './story.ts'

test(
  'two people talk end-to-end encrypted through one gateway and two actor hosts',
  { timeout: 240_000 },
  async () => {
    await using cluster = await startCluster({ gateways: 1, hosts: 2 })
    const url = cluster.gateways[0]?.url
    assert.ok(url !== undefined)
    await twoPeopleTalk({ aliceUrl: url, bobUrl: url })
  },
)

test(
  'two people talk end-to-end encrypted, each through a gateway of his own',
  { timeout: 240_000 },
  async () => {
    await using cluster = await startCluster({ gateways: 2, hosts: 2 })
    const [first, second] = cluster.gateways
    assert.ok(first !== undefined && second !== undefined)
    await twoPeopleTalk({ aliceUrl: first.url, bobUrl: second.url })
  },
)
