/** Makes what a session consists of: device id and tokens. Only the client ever has the tokens; everybody else has their hashes. */

import { parseDeviceId } from '#protocol/ids/device-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { NewSession } from '#actors/user/messages.ts'
import { hashToken } from '../../http/auth.ts'
import type { Services } from '../../http/endpoint.ts'

/** Milliseconds for which an access token of a client that can refresh it is valid. */
export const accessTokenMs = 60 * 60_000

const tokenBytes = 32
const deviceIdLetters = 10

export interface SessionWishes {
  readonly deviceId?: string | undefined
  readonly displayName?: string | undefined
  /** The client can refresh its access token. */
  readonly refresh: boolean
}

/** What the actor is told, and what the client is. */
export interface MadeSession {
  readonly session: NewSession
  readonly reply: JsonObject
}

type Makers = Pick<Services, 'random' | 'clock'>

/** A session for a new or a known device. Throws M_INVALID_PARAM for a device id that is none. */
export function makeSession({ random, clock }: Makers, wishes: SessionWishes): MadeSession {
  const deviceId = wishes.deviceId === undefined ? randomDeviceId(random) : parseDeviceId(wishes.deviceId)
  const token = randomToken(random)
  const session: NewSession = {
    deviceId,
    tokenHash: hashToken(token),
    ...(wishes.displayName === undefined ? {} : { displayName: wishes.displayName }),
  }
  const reply = { access_token: token, device_id: deviceId }
  if (!wishes.refresh) return { session, reply }
  const refreshToken = randomToken(random)
  return {
    session: { ...session, expiresAt: clock.now() + accessTokenMs, refreshHash: hashToken(refreshToken) },
    reply: { ...reply, refresh_token: refreshToken, expires_in_ms: accessTokenMs },
  }
}

/** A secret of 256 random bits that can stand in headers and URLs. */
export function randomToken(random: Services['random']): string {
  return Buffer.from(random.bytes(tokenBytes)).toString('base64url')
}

function randomDeviceId(random: Services['random']): string {
  return Array.from(random.bytes(deviceIdLetters), (byte) => String.fromCharCode(65 + (byte % 26))).join('')
}
