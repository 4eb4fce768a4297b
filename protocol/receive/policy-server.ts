/** The policy server of a room: whether it has one, and whether that has signed an event. Server-server API v1.19, "Policy Servers". */
import type { KeyObject } from 'node:crypto'
import type { AuthEvent, CheckedEvent } from '../auth/auth-event.ts'
import { referenceJson } from '../events/hash.ts'
import type { Pdu } from '../events/pdu.ts'
import { isServerName, type ServerName } from '../ids/server-name.ts'
import { objectField, stringField } from '../json/types.ts'
import { publicKeyFromBase64 } from '../signing/keys.ts'
import { isSignedBy } from '../signing/verify.ts'
import type { RoomVersionRules } from '../versions/rules.ts'

/** The server that recommends which events belong into a room, and the key by which it does. */
export interface PolicyServer {
  readonly server: ServerName
  readonly publicKey: KeyObject
}

/** "The Key ID for the `ed25519` key in `m.room.policy` is *always* `ed25519:policy_server`." */
export const policyKeyId = 'ed25519:policy_server'

/**
 * The policy server that the room's `m.room.policy` event (with an empty state key) names, or undefined. The room uses it while it
 * "has at least one joined user in the room", which the caller knows.
 * NOTSPEC: a text that is no key counts as none; otherwise the room could show nothing any more, not even to mend it.
 */
export function policyServerOf(policy: AuthEvent | undefined): PolicyServer | undefined {
  const via = policy && stringField(policy.content, 'via')
  const keys = policy && objectField(policy.content, 'public_keys')
  const publicKey = keys && publicKeyFromBase64(stringField(keys, 'ed25519') ?? '')
  if (via === undefined || !isServerName(via) || publicKey === undefined) return undefined
  return { server: via, publicKey }
}

/** Whether a policy server has to sign the event: every event but those that set the policy server itself. */
export function needsPolicySignature(event: CheckedEvent): boolean {
  return !(event.type === 'm.room.policy' && event.stateKey === '')
}

/**
 * Whether the policy server has signed the event: in the event itself, or by the signature that it gave when it was asked. Other
 * signatures of the same server are none of its business here.
 */
export function hasPolicySignature(
  rules: RoomVersionRules,
  pdu: Pdu,
  { server, publicKey }: PolicyServer,
  given?: string,
): boolean {
  const ofServer = pdu.signatures && objectField(pdu.signatures, server)
  const signatures = [ofServer && stringField(ofServer, policyKeyId), given]
  const text = referenceJson(rules, pdu)
  return signatures.some((signature) => signature !== undefined && isSignedBy(text, signature, publicKey))
}
