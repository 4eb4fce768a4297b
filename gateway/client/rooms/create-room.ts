/**
 * POST /_matrix/client/v3/createRoom
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { field, isJsonObject, type JsonObject } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { memberProfiles } from '#storage/rooms/member-profile.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { firstState, type Preset } from './create-room-state.ts'
import { creatableVersion, makeRoom } from './new-room.ts'
import { userIdOf } from './request.ts'

const maxInvites = 100

const schema = z.looseObject({
  visibility: z.enum(['public', 'private']).optional(),
  preset: z.enum(['private_chat', 'public_chat', 'trusted_private_chat']).optional(),
  room_alias_name: z.string().optional(),
  name: z.string().optional(),
  topic: z.string().optional(),
  invite: z.array(z.string()).max(maxInvites).optional(),
  invite_3pid: z.array(anyJsonObject).optional(),
  room_version: z.string().optional(),
  creation_content: anyJsonObject.optional(),
  initial_state: z
    .array(z.looseObject({ type: z.string(), state_key: z.string().optional(), content: anyJsonObject }))
    .optional(),
  is_direct: z.boolean().optional(),
  power_level_content_override: anyJsonObject.optional(),
})

type Body = z.infer<typeof schema>

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/createRoom', '/_matrix/client/r0/createRoom'],
  auth: 'user',
  rateLimit: 'join',
  body: { kind: 'json', schema, optional: true, grammar: 'event' },
  async handle(context) {
    const { body, config, reads, requester } = context
    refuseUnsupported(body)
    const rules = creatableVersion(body.room_version ?? config.defaultRoomVersion)
    const preset: Preset = body.preset ?? (body.visibility === 'public' ? 'public_chat' : 'private_chat')
    const invitees = [...new Set(body.invite ?? [])].map(userIdOf)
    const profiles = await memberProfiles(reads, invitees)
    const state = firstState({
      rules,
      creator: requester.userId,
      preset,
      invitees,
      initialState: (body.initial_state ?? []).map(({ content, state_key, type }) => ({
        type,
        stateKey: state_key ?? '',
        content,
      })),
      levelOverride: body.power_level_content_override,
      name: body.name,
      topic: body.topic,
    })
    const roomId = await makeRoom(context, {
      rules,
      createContent: creationContent(rules, body, preset === 'trusted_private_chat' ? invitees : []),
      state,
      invites: invitees.map((userId) => ({
        userId,
        profile: profiles.get(userId) ?? {},
        isDirect: body.is_direct === true,
      })),
    })
    return { room_id: roomId }
  },
})

function refuseUnsupported(body: Body): void {
  if (body.room_alias_name !== undefined) {
    throw new MatrixError('M_UNKNOWN', 'This server has no directory of aliases.', { status: 400 })
  }
  if (body.invite_3pid !== undefined && body.invite_3pid.length > 0) {
    throw new MatrixError('M_THREEPID_DENIED', 'This server invites by user id only.')
  }
}

/** The content that the client has chosen; in a trusted private chat of version 12 the invited are creators, too. */
function creationContent(rules: RoomVersionRules, body: Body, trusted: readonly UserId[]): JsonObject {
  const chosen = body.creation_content ?? {}
  if (!isJsonObject(chosen)) throw new MatrixError('M_BAD_JSON', 'creation_content must be an object.')
  if (!rules.privilegedCreators || trusted.length === 0) return chosen
  const others = field(chosen, 'additional_creators') ?? []
  if (!Array.isArray(others))
    throw new MatrixError('M_BAD_JSON', 'additional_creators must be a list of user ids.')
  return { ...chosen, additional_creators: [...new Set([...others, ...trusted])] }
}
