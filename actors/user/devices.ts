/** Devices as their owner names and removes them. What hangs on a device goes with it (`closeDevices`). */

import type { UserCore, UserHandlers } from './core.ts'
import { nothing } from './core.ts'
import { closeDevices, type SessionHooks } from './sessions.ts'

export function deviceHandlers(
  core: UserCore,
  hooks: SessionHooks,
): UserHandlers<'setDeviceName' | 'deleteDevices'> {
  return {
    setDeviceName: ({ deviceId, displayName }) => {
      core.openAccount()
      const device = core.device(deviceId)
      if (device.displayName === displayName) return nothing
      const draft = core.draft()
      core.devices.set(deviceId, { ...device, displayName })
      draft.put('device', { user_id: core.userId, device_id: deviceId, display_name: displayName })
      // Others see the name of a device beside its keys.
      draft.changeDeviceList()
      void core.decide(draft)
      return nothing
    },

    deleteDevices: async ({ deviceIds, askedFrom }) => {
      core.openAccount()
      const gone = [...new Set(deviceIds)].filter((id) => core.devices.has(id))
      // Repeated, it is done, also for a device that has removed itself.
      if (gone.length === 0) return nothing
      core.checkLoggedIn(askedFrom)
      const draft = core.draft()
      await closeDevices(core, hooks, draft, gone)
      void core.decide(draft)
      return nothing
    },
  }
}
