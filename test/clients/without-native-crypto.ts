/**
 * Lets matrix-bot-sdk load where its native crypto package is not installed: the library requires it at start even for a bot that
 * never encrypts. Imported before the library; whoever uses the crypto all the same finds nothing there.
 */

import { registerHooks } from 'node:module'

const nativeCrypto = '@matrix-org/matrix-sdk-crypto-nodejs'

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier !== nativeCrypto) return nextResolve(specifier, context)
    return { url: 'data:text/javascript,', format: 'commonjs', shortCircuit: true }
  },
  load(url, context, nextLoad) {
    if (url !== 'data:text/javascript,') return nextLoad(url, context)
    return { format: 'commonjs', source: 'module.exports = {}', shortCircuit: true }
  },
})
