/** From what things cost and what happens in a cluster: how much of a larger one is left for work. */

import type { HopCost } from './cluster-hop.ts'
import type { OperationCost } from './cluster-rounds.ts'
import type { Traffic } from './model.ts'

/** Milliseconds of processor time, measured with one host, where nothing goes from host to host. */
export interface Costs {
  readonly message: OperationCost
  readonly receipt: OperationCost
  /** One waiting sync that is answered. */
  readonly delivery: OperationCost
  readonly hop: HopCost
}

export interface Efficiency {
  readonly hosts: number
  /** Other hosts that are sent an event, on average. */
  readonly sentPerEvent: number
  /** Part of all processor time that is not for telling other hosts. */
  readonly work: number
  /** What the busiest host has to do, in relation to the mean. */
  readonly busiest: number
  /** How much all hosts do in relation to so many single ones, when the busiest of them is at its limit. */
  readonly linear: number
}

function total({ gateway, hosts, bus, database }: OperationCost): number {
  return gateway + hosts + bus + database
}

/** Heads that owners announce and messages that only say how far a shard is: these are sent by time, not by events. */
interface Fixed {
  /** Sent to every other host, by shard and second. */
  readonly announcements: number
  readonly idleMessages: number
}

const fixed: Fixed = { announcements: 20, idleMessages: 4 }
const shards = 64

/** The part of one core of a host that goes into messages that are sent by time, at the most. */
function fixedShare(hosts: number, { publish, receive }: HopCost): number {
  if (hosts === 1) return 0
  const heardPerSecond = (shards - shards / hosts) * fixed.announcements
  const toldPerSecond = (shards / hosts) * (fixed.announcements + (hosts - 1) * fixed.idleMessages)
  const idlePerSecond = (shards - shards / hosts) * fixed.idleMessages
  return ((heardPerSecond + idlePerSecond) * receive + toldPerSecond * publish) / 1000
}

export function efficiencyOf(traffic: Traffic, costs: Costs): Efficiency {
  const { hosts, perHost, events, sent } = traffic
  const { message, receipt, delivery, hop } = costs
  const loads = perHost.map((host) => {
    const work =
      host.messages * message.hosts + host.receipts * receipt.hosts + host.deliveries * delivery.hosts
    return { work, whole: work + host.sent * hop.publish + host.received * hop.receive }
  })
  const sum = (of: readonly number[]): number => of.reduce((all, one) => all + one, 0)
  const allWork = sum(
    perHost.map(
      (host) =>
        host.messages * total(message) + host.receipts * total(receipt) + host.deliveries * total(delivery),
    ),
  )
  const whole = loads.map((load) => load.whole)
  const mean = sum(whole) / hosts
  const most = Math.max(...whole)
  return {
    hosts,
    sentPerEvent: sent / events,
    work: allWork / (allWork + sent * (hop.publish + hop.receive + hop.bus)),
    busiest: most / mean,
    linear: (sum(loads.map((load) => load.work)) / (hosts * most)) * (1 - fixedShare(hosts, hop)),
  }
}
