/**
 * Ephemeral messages between servers, read from JSON that nobody has checked. What is not as the specification says, or not for
 * the server that sent it to say, is undefined and to be ignored. Server-server API v1.19, "EDUs".
 */
import { isJsonObject, objectField, stringField, type JsonObject, type JsonValue } from '../json/types.ts'
import { readDeviceListUpdate, type DeviceListUpdate } from './device-list-update.ts'
import { readDirectToDevice, type DirectToDevice } from './direct-to-device.ts'
import type { EduRoute } from './edu-route.ts'
import { readPresence, type PresenceUpdates } from './presence.ts'
import { readReceipts, type Receipts } from './receipt.ts'
import { readSigningKeyUpdate, type SigningKeyUpdate } from './signing-key-update.ts'
import { readTyping, type Typing } from './typing.ts'

/** An ephemeral message of a kind that the specification knows. */
export type Edu = DeviceListUpdate | DirectToDevice | PresenceUpdates | Receipts | SigningKeyUpdate | Typing

type Reader = (content: JsonObject, route: EduRoute) => Edu | undefined

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['m.device_list_update', readDeviceListUpdate],
  ['m.direct_to_device', readDirectToDevice],
  ['m.presence', readPresence],
  ['m.receipt', readReceipts],
  ['m.signing_key_update', readSigningKeyUpdate],
  ['m.typing', readTyping],
])

/** The ephemeral message, or undefined if it is of no kind that is known, or not acceptable. */
export function readEdu(value: JsonValue, route: EduRoute): Edu | undefined {
  if (!isJsonObject(value)) return undefined
  const content = objectField(value, 'content')
  return content && readers.get(stringField(value, 'edu_type') ?? '')?.(content, route)
}
