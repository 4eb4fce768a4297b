import { isDeviceId, type DeviceId } from '../ids/device-id.ts'
import type { UserId } from '../ids/user-id.ts'
import { field, objectField, stringField, type JsonObject, type JsonValue } from '../json/types.ts'
import { userOf, type EduRoute } from './edu-route.ts'

/** One device of a user has been added, changed or removed. */
export interface DeviceListUpdate {
  readonly kind: 'device-list-update'
  readonly userId: UserId
  readonly deviceId: DeviceId
  /** Numbers the updates of this user. */
  readonly streamId: number
  /** The updates that this one follows. If one of them is not known, the whole list is to be fetched anew. */
  readonly previousIds: readonly number[]
  readonly isDeleted: boolean
  readonly displayName: string | undefined
  /** The identity keys of the device, signatures not checked. */
  readonly keys: JsonObject | undefined
}

/**
 * The content of an `m.device_list_update` about a user of the sending server. Keys that name another user or device make it
 * unreadable: the gap that it leaves has the list fetched. Server-server API v1.19, "Device Management".
 */
export function readDeviceListUpdate(
  content: JsonObject,
  { origin }: EduRoute,
): DeviceListUpdate | undefined {
  const userId = userOf(origin, content, 'user_id')
  const deviceId = stringField(content, 'device_id')
  const streamId = field(content, 'stream_id')
  const previousIds = field(content, 'prev_id') ?? []
  if (userId === undefined || deviceId === undefined || !isDeviceId(deviceId) || !isStreamId(streamId))
    return undefined
  if (!Array.isArray(previousIds) || !previousIds.every(isStreamId)) return undefined
  const keys = objectField(content, 'keys')
  if (keys !== undefined && !isOf(keys, userId, deviceId)) return undefined
  return {
    kind: 'device-list-update',
    userId,
    deviceId,
    streamId,
    previousIds,
    isDeleted: field(content, 'deleted') === true,
    displayName: stringField(content, 'device_display_name'),
    keys,
  }
}

function isStreamId(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value)
}

function isOf(keys: JsonObject, userId: UserId, deviceId: DeviceId): boolean {
  return field(keys, 'user_id') === userId && field(keys, 'device_id') === deviceId
}
