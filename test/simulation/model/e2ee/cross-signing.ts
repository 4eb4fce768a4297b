/** Models what user actors ask of `storage/e2ee/cross-signing.ts` in the simulation: nobody signs anything. */

import type * as real from '#storage/e2ee/cross-signing.ts'
import { asked } from '../access.ts'

export const readKeySignatures: typeof real.readKeySignatures = (reads) => asked(reads, () => [])
