/** Registration, passwords, sessions (groups "registration" and "login" of the client-server API). */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as deactivate } from './deactivate.ts'
import { endpoint as getLoginToken } from './get-login-token.ts'
import { endpoint as login } from './login.ts'
import { endpoint as loginFlows } from './login-flows.ts'
import { endpoint as logout } from './logout.ts'
import { endpoint as logoutAll } from './logout-all.ts'
import { endpoint as password } from './password.ts'
import { endpoint as refresh } from './refresh.ts'
import { endpoint as register } from './register.ts'
import { endpoint as registerAvailable } from './register-available.ts'
import { endpoint as registrationTokenValidity } from './registration-token-validity.ts'
import { synapseRegisterEndpoints } from './synapse-register.ts'
import { endpoint as whoami } from './whoami.ts'

export const accountEndpoints: readonly AnyEndpoint[] = [
  register,
  registerAvailable,
  registrationTokenValidity,
  ...synapseRegisterEndpoints(),
  deactivate,
  password,
  loginFlows,
  login,
  getLoginToken,
  refresh,
  logout,
  logoutAll,
  whoami,
]
