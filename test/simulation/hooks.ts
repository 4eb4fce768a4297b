/**
 * Loaded before the simulator (`node --import`): wherever the program imports a query file of `storage/` that has a model of the same
 * path in `model/`, it gets what the model exports, and for everything else the file itself. Nothing else of the program is replaced.
 */

import { existsSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { join, relative, sep } from 'node:path'

const models = join(import.meta.dirname, 'model')
const storage = join(import.meta.dirname, '..', '..', 'storage')
/** Marks the address of a file that is joined from a model and what it models. */
const mark = '?modelled'

registerHooks({
  resolve(specifier, context, next) {
    const { parentURL } = context
    if (parentURL?.endsWith(mark) === true) return { url: specifier, shortCircuit: true }
    const resolved = next(specifier, context)
    // Models may use what is real, such as the mapping of rows.
    if (parentURL !== undefined && isModel(parentURL)) return resolved
    return modelOf(resolved.url) === undefined ? resolved : { ...resolved, url: resolved.url + mark }
  },
  load(url, context, next) {
    if (!url.endsWith(mark)) return next(url, context)
    const real = url.slice(0, -mark.length)
    const model = modelOf(real)
    if (model === undefined) throw new Error(`there is no model of ${real}`)
    const names = [...readFileSync(model, 'utf8').matchAll(/^export (?:class|const|function) (\w+)/gm)].map(
      ([, name]) => name,
    )
    const source = `export { ${names.join(', ')} } from '${pathToFileURL(model).href}'\nexport * from '${real}'\n`
    return { format: 'module', source, shortCircuit: true }
  },
})

function isModel(url: string): boolean {
  return url.startsWith('file:') && fileURLToPath(url).startsWith(models + sep)
}

/** The path of the model of a file, if it has one. */
function modelOf(url: string): string | undefined {
  if (!url.startsWith('file:')) return undefined
  const path = relative(storage, fileURLToPath(url))
  const model = join(models, path)
  return !path.startsWith('..') && existsSync(model) ? model : undefined
}
