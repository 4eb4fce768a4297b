/** Models what is asked of `storage/cluster/restored.ts` in the simulation: the operator's command. */

import type * as real from '#storage/cluster/restored.ts'
import { asked } from '../access.ts'
import { checkIncarnation, raiseIncarnation } from './incarnation.ts'

export const beginAnew: typeof real.beginAnew = async (session) => {
  if (!(await checkIncarnation(session))) await raiseIncarnation(session)
  await asked(session, (_tables, server) => server.change((tables) => tables.hosts.clear()))
}
