/** The end of an account. Its beginning, passwords and log-ins are in `sessions.ts`. */

import { nothing, type UserCore, type UserHandlers } from './core.ts'
import type { CrossSigning } from './cross-signing.ts'
import type { Profile } from './profile.ts'
import { closeDevices, putAccount, type SessionHooks } from './sessions.ts'

export interface AccountParts {
  readonly hooks: SessionHooks
  readonly profile: Profile
  readonly crossSigning: CrossSigning
}

export function accountHandlers(core: UserCore, parts: AccountParts): UserHandlers<'deactivate'> {
  return {
    /**
     * Client-server API v1.19, "Account deactivation": sessions end, the profile goes, and the user leaves his rooms; that follows
     * from the changed device list (`fanout.ts`), so that it is done even if this host dies now. Repeated, it is done.
     */
    deactivate: async ({ erase, askedFrom }) => {
      if (core.account?.deactivatedAt !== undefined) return nothing
      const account = core.openAccount()
      core.checkLoggedIn(askedFrom)
      const draft = core.draft()
      await parts.profile.erase(draft)
      await parts.crossSigning.erase(draft)
      await closeDevices(core, parts.hooks, draft, [...core.devices.keys()])
      core.account = {
        ...account,
        passwordHash: undefined,
        deactivatedAt: core.context.clock.now(),
        erased: erase,
      }
      putAccount(core, draft)
      draft.log('session', {})
      draft.changeDeviceList()
      void core.decide(draft)
      return nothing
    },
  }
}
