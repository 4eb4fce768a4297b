/** Runs of the simulator: a seed, a script, and a script cut down to what is needed for its failure. */

import type { CommitArguments } from '#storage/commit-arguments.ts'
import { randomOf } from './random.ts'
import { drawScript, type Script } from './script.ts'
import { World, type Finding } from './world.ts'

export interface Run {
  readonly findings: readonly Finding[]
  readonly steps: number
  readonly trace: readonly string[]
  /** Arguments of the commits that took effect. */
  readonly commits: readonly CommitArguments[]
}

/** Attempts to cut a script down. */
const maxAttempts = 120

/** The script that a seed stands for. */
export function scriptOf(seed: number): Script {
  return drawScript(randomOf(seed, 0))
}

export function runSeed(seed: number, options: { traced?: boolean } = {}): Promise<Run> {
  return runScript(seed, scriptOf(seed), options)
}

/** Runs a script; the seed decides everything that the script leaves open. */
export async function runScript(
  seed: number,
  script: Script,
  options: { traced?: boolean } = {},
): Promise<Run> {
  const world = new World(seed, script, options)
  const findings = await world.run()
  return { findings, steps: world.kernel.steps, trace: world.traced, commits: world.server.recorded }
}

/** Leaves steps out as long as one of the rules that did not hold still does not. */
export async function shrink(seed: number, script: Script, findings: readonly Finding[]): Promise<Script> {
  const rules = new Set(findings.map(({ rule }) => rule))
  let attempts = 0
  const stillFails = async (candidate: Script): Promise<boolean> => {
    attempts++
    return (await runScript(seed, candidate)).findings.some(({ rule }) => rules.has(rule))
  }
  let small = script
  for (
    let size = Math.ceil(script.steps.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < small.steps.length && attempts < maxAttempts;) {
      const candidate = { ...small, steps: small.steps.toSpliced(at, size) }
      if (await stillFails(candidate)) small = candidate
      else at += size
    }
  }
  return small
}
