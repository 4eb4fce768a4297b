/** Harm that is done to a cluster while a crowd talks, with what it cost the crowd. */

import type { TestContext } from 'node:test'
import type { TroupeProcess } from '../support/process.ts'
import type { Crowd } from './crowd.ts'

/** After this time every room and every client is served again, whatever happened: longer is a failure. */
export const recoveryMs = 8000

/**
 * Does something, then waits until everybody is served and has talked on for a while. Says in the test's report how long it took until
 * all were served, and how long at most a message had to wait. Returns the former, milliseconds.
 */
export async function during(
  test: TestContext,
  crowd: Crowd,
  what: string,
  act: () => Promise<void>,
): Promise<number> {
  const beganMs = performance.now()
  await act()
  const servedMs = await crowd.everybodyIsServed(recoveryMs)
  const waitMs = crowd.longestWaitMs(beganMs)
  test.diagnostic(`${what}: all served after ${servedMs.toFixed(0)} ms, longest wait ${waitMs.toFixed(0)} ms`)
  await crowd.talkOn(40, recoveryMs)
  return servedMs
}

/** Runs a test, and where it fails says what its servers printed last. */
export async function withOutput(
  test: TestContext,
  processes: () => readonly TroupeProcess[],
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run()
  } catch (error) {
    for (const process of processes())
      test.diagnostic(`${process.hostName} said:\n${process.output().slice(-4000)}`)
    throw error
  }
}
