/** Models what a start asks of `storage/settings.ts`. Where nothing is to be complained of it asks nothing, and costs no time. */

import type * as real from '#storage/settings.ts'
import { UnsafeSettings, unsafeSetting } from '#storage/settings.ts'
import { access, asked } from './access.ts'

export const checkSettings: typeof real.checkSettings = async (session) => {
  if (unsafeSetting(access(session).connection.server.settings) === undefined) return
  const problem = await asked(session, (_tables, { settings }) => unsafeSetting(settings))
  if (problem !== undefined) throw new UnsafeSettings(problem)
}
