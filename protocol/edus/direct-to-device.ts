import { isDeviceId, type DeviceId } from '../ids/device-id.ts'
import { isIdText } from '../ids/limits.ts'
import { isUserId, serverOf, type UserId } from '../ids/user-id.ts'
import { isJsonObject, objectField, stringField, type JsonObject } from '../json/types.ts'
import { userOf, type EduRoute } from './edu-route.ts'

/** A message to one device of a user of this server, or with `*` to all of them. */
export interface DeviceMessage {
  readonly userId: UserId
  readonly deviceId: DeviceId | '*'
  readonly content: JsonObject
}

/** Messages of one sender to devices of this server. */
export interface DirectToDevice {
  readonly kind: 'direct-to-device'
  readonly sender: UserId
  readonly type: string
  /** With the sending server it says whether the messages have come before. */
  readonly messageId: string
  readonly messages: readonly DeviceMessage[]
}

/**
 * The content of an `m.direct_to_device` from a user of the sending server: of its messages those that are objects and for users of this
 * server. Server-server API v1.19, "Send-to-device messaging".
 * NOTSPEC: the message id is "of maximum length 32 codepoints"; up to 255 bytes are accepted, for what is dropped here is a key that
 * somebody waits for.
 */
export function readDirectToDevice(
  content: JsonObject,
  { origin, destination }: EduRoute,
): DirectToDevice | undefined {
  const sender = userOf(origin, content, 'sender')
  const type = stringField(content, 'type')
  const messageId = stringField(content, 'message_id')
  const messages = objectField(content, 'messages')
  if (sender === undefined || !isShort(type) || !isShort(messageId) || messages === undefined)
    return undefined
  const local = Object.entries(messages).flatMap(([userId, byDevice]) => {
    if (!isUserId(userId) || serverOf(userId) !== destination || !isJsonObject(byDevice)) return []
    return Object.entries(byDevice).flatMap(
      ([deviceId, message]) => readMessage(userId, deviceId, message) ?? [],
    )
  })
  return { kind: 'direct-to-device', sender, type, messageId, messages: local }
}

function readMessage(userId: UserId, deviceId: string, content: unknown): DeviceMessage | undefined {
  return isDeviceId(deviceId) && isJsonObject(content) ? { userId, deviceId, content } : undefined
}

function isShort(text: string | undefined): text is string {
  return text !== undefined && text !== '' && isIdText(text)
}
