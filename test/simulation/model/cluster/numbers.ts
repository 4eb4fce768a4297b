/** Models `storage/cluster/numbers.ts`. A block is short, so that every run comes to the end of some. */

import type * as real from '#storage/cluster/numbers.ts'
import { asked } from '../access.ts'
import { checkIncarnation } from './incarnation.ts'

const eventBlock = 20

export const takeEventNumbers: typeof real.takeEventNumbers = async (session) => {
  await checkIncarnation(session)
  return asked(session, (now, server) => {
    const first = now.nextEventNumber
    server.change((tables) => (tables.nextEventNumber += eventBlock))
    return { first, last: first + eventBlock - 1 }
  })
}

export const takeRoomNumbers: typeof real.takeRoomNumbers = async (session, count) => {
  await checkIncarnation(session)
  return asked(session, (now, server) => {
    const first = now.nextRoomNumber
    server.change((tables) => (tables.nextRoomNumber += count))
    return Array.from({ length: count }, (_, i) => first + i)
  })
}
