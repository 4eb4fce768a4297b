/**
 * Loaded before each file of tests: when its tests are over, its process has to end soon. What a test that failed has left open would otherwise
 * keep it, and the whole run with it, for ever.
 */

const graceMs = 20_000

// The runner itself, which loads this too, has no such variable.
if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  const { after } = await import('node:test')
  after(() => {
    const giveUp = (): void => {
      const open = process.getActiveResourcesInfo().join(', ')
      process.stderr.write(`The tests are over, but something was left open: ${open}.\n`)
      process.exit(1)
    }
    setTimeout(giveUp, graceMs).unref()
  })
}
