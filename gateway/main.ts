/**
 * The only entry point: `node gateway/main.ts COMMAND`.
 *
 * What Node makes of each source, the types stripped and the code compiled, is kept for the next start: that halves the time of a start
 * and saves the memory of the compiler that strips types. Only modules that are imported after it is switched on are kept, hence
 * `import()`. Where the folder cannot be written, the program starts as it does without.
 */

import { enableCompileCache, registerHooks } from 'node:module'
import { join } from 'node:path'
import { resolveOwnModule } from './own-modules.ts'

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'troupe'))
registerHooks({ resolve: resolveOwnModule })
const { run } = await import('./run.ts')
await run()
