/**
 * GET /_matrix/client/v3/rooms/{roomId}/members
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidmembers
 */

import { membershipOf } from '#protocol/events/read/membership.ts'
import type { NodeId } from '#protocol/state/trie-node.ts'
import type { Reads } from '#storage/reads.ts'
import { contentOf } from '#storage/rooms/aggregations.ts'
import { firstMemberRoot, rootAt } from '#storage/rooms/rooms.ts'
import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { choiceParam } from '../../http/query.ts'
import { placeParam } from './paging.ts'
import { presentState } from './present.ts'
import { roomIdOf } from './request.ts'
import { stateReader } from './state-reader.ts'
import { lookInto, type RoomSight } from './visible.ts'

const memberships = ['join', 'invite', 'knock', 'leave', 'ban'] as const

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/rooms/:roomId/members', '/_matrix/client/r0/rooms/:roomId/members'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    const wanted = choiceParam(context.query, 'membership', memberships)
    const unwanted = choiceParam(context.query, 'not_membership', memberships)
    const sight = await lookInto(context.reads, context.requester.userId, { roomId: roomIdOf(context) })
    const at = await placeParam(context.reads, context.query, 'at', sight)
    const root = await rootFor(context.reads, sight, at)
    const members = await stateReader(context.reads).members(sight.room.roomNid, root)
    const chosen = members.filter((event) => {
      const membership = membershipOf(contentOf(event))
      return (
        (wanted === undefined || membership === wanted) && (unwanted === undefined || membership !== unwanted)
      )
    })
    const texts = await presentState(context, sight, chosen)
    return Answer.json(`{"chunk":[${texts.join(',')}]}`)
  },
})

/**
 * The state at a place, at the latest the last that the user may see. A timeline that goes back to the room's creation begins before
 * it had any state: its `prev_batch` stands for the moment when the first member had joined.
 */
async function rootFor(reads: Reads, sight: RoomSight, at: number | undefined): Promise<NodeId> {
  const { pos, root } = await sight.state()
  if (at === undefined || at >= pos) return root
  return (
    (await rootAt(reads, sight.room.roomNid, at)) ??
    (await firstMemberRoot(reads, sight.room.roomNid)) ??
    root
  )
}
