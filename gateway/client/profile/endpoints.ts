/** Profiles with fields of any name. */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as deleteProfileField } from './delete-profile-field.ts'
import { endpoint as getProfile } from './get-profile.ts'
import { endpoint as getProfileField } from './get-profile-field.ts'
import { endpoint as putProfileField } from './put-profile-field.ts'

export const profileEndpoints: readonly AnyEndpoint[] = [
  getProfile,
  getProfileField,
  putProfileField,
  deleteProfileField,
]
