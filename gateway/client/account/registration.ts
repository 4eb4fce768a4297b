/** What registering asks for. */

import type { JsonObject } from '#protocol/json/types.ts'
import { MatrixError } from '#protocol/errors.ts'
import type { Config } from '../../config/schema.ts'
import type { Stage } from '../uia.ts'

/** The flows of which a new user completes one. Throws M_FORBIDDEN where nobody can register. */
export function registrationFlows(config: Config): readonly (readonly Stage[])[] {
  const terms: Stage[] = config.termsUrl === undefined ? [] : ['m.login.terms']
  switch (config.registration) {
    case 'closed':
      throw new MatrixError('M_FORBIDDEN', 'This server does not take registrations.')
    case 'open':
      return [[...terms, 'm.login.dummy']]
    case 'token':
      return [['m.login.registration_token', ...terms]]
  }
}

/** What clients must know for the stages. Client-server API v1.19, "Terms of service at registration". */
export function registrationParams(config: Config): JsonObject {
  if (config.termsUrl === undefined) return {}
  const document = { name: config.termsName, url: String(config.termsUrl) }
  return { 'm.login.terms': { policies: { terms: { version: config.termsVersion, en: document } } } }
}

/** Throws M_WEAK_PASSWORD. */
export function checkPassword(config: Config, password: string): void {
  if (password.length < config.passwordMinLength) {
    throw new MatrixError(
      'M_WEAK_PASSWORD',
      `A password has at least ${config.passwordMinLength} characters.`,
    )
  }
  if (password.length > maxPasswordLength) {
    throw new MatrixError('M_INVALID_PARAM', `A password has at most ${maxPasswordLength} characters.`)
  }
}

const maxPasswordLength = 512
