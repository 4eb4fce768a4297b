/** A device as its owner sees it. Client-server API v1.19, "Device management". */

import type { JsonObject } from '#protocol/json/types.ts'
import type { Device } from '#storage/users/devices.ts'

export function presentDevice(device: Device): JsonObject {
  const { deviceId, displayName, lastSeenIp, lastSeenTs } = device
  return {
    device_id: deviceId,
    ...(displayName === undefined ? {} : { display_name: displayName }),
    ...(lastSeenIp === undefined ? {} : { last_seen_ip: lastSeenIp }),
    ...(lastSeenTs === undefined ? {} : { last_seen_ts: lastSeenTs }),
  }
}
