/** Filters that clients store here. An id is the hash of its filter, so that the same filter has the same id. */

import { hash } from 'node:crypto'
import type { UserCore, UserHandlers } from './core.ts'

/** Characters of a filter's id: 96 bits of a hash. */
const idLength = 16

export function filterHandlers(core: UserCore): UserHandlers<'addFilter'> {
  return {
    addFilter: ({ json }) => {
      core.openAccount()
      const filterId = hash('sha256', json, 'base64url').slice(0, idLength)
      const draft = core.draft()
      draft.put('filter', { user_id: core.userId, filter_id: filterId, json })
      void core.decide(draft)
      return { filterId }
    },
  }
}
