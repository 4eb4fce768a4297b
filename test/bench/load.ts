/** The generator: a process of its own that carries out one workload at a time, as it is told by its parent. */

import { closedLoop, openLoop } from './send-loads.ts'
import { stillness } from './stillness.ts'
import { fanOut, wake } from './waiting-loads.ts'
import type { LoadResult, Workload } from './workloads.ts'

function carryOut(load: Workload): Promise<LoadResult> {
  switch (load.kind) {
    case 'closed':
      return closedLoop(load)
    case 'open':
      return openLoop(load)
    case 'wake':
      return wake(load)
    case 'fan-out':
      return fanOut(load)
    case 'still':
      return stillness(load)
  }
}

process.on('message', (load: Workload) => {
  // A rejection ends the process, and the parent says so.
  void carryOut(load).then((result) => process.send?.(result))
})
process.on('disconnect', () => process.exit(0))
