/** The endpoints of rooms, groups 15 to 19 and 22 of the client-server API. */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as ban } from './ban.ts'
import { endpoint as context } from './context.ts'
import { endpoint as createRoom } from './create-room.ts'
import { endpoint as event } from './event.ts'
import { endpoint as forget } from './forget.ts'
import { endpoint as getState } from './get-state.ts'
import { endpoint as getStateEvent } from './get-state-event.ts'
import { endpoint as invite } from './invite.ts'
import { endpoint as join } from './join.ts'
import { endpoint as joinByIdOrAlias } from './join-by-id-or-alias.ts'
import { endpoint as joinedMembers } from './joined-members.ts'
import { endpoint as joinedRooms } from './joined-rooms.ts'
import { endpoint as kick } from './kick.ts'
import { endpoint as knock } from './knock.ts'
import { endpoint as leave } from './leave.ts'
import { endpoint as members } from './members.ts'
import { endpoint as messages } from './messages.ts'
import { endpoint as putState } from './put-state.ts'
import { endpoint as readMarkers } from './read-markers.ts'
import { endpoint as receipt } from './receipt.ts'
import { endpoint as redact } from './redact.ts'
import { endpoint as relations } from './relations.ts'
import { endpoint as send } from './send.ts'
import { endpoint as threads } from './threads.ts'
import { endpoint as timestampToEvent } from './timestamp-to-event.ts'
import { endpoint as typing } from './typing.ts'
import { endpoint as unban } from './unban.ts'
import { endpoint as upgrade } from './upgrade.ts'

export const roomEndpoints: readonly AnyEndpoint[] = [
  createRoom,
  upgrade,
  join,
  joinByIdOrAlias,
  invite,
  kick,
  ban,
  unban,
  leave,
  forget,
  knock,
  joinedRooms,
  send,
  putState,
  redact,
  event,
  getState,
  getStateEvent,
  members,
  joinedMembers,
  context,
  messages,
  timestampToEvent,
  relations,
  threads,
  receipt,
  readMarkers,
  typing,
]
