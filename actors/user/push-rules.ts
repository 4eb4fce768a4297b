/** Edits of push rules. The rules themselves are in `protocol/push`; stored is only what differs from the defaults. */

import type { JsonObject } from '#protocol/json/types.ts'
import { deleteRule, parseRuleKind, putRule, setRuleActions, setRuleEnabled } from '#protocol/push/ruleset.ts'
import type { StoredRules } from '#protocol/push/stored-rules.ts'
import { pushRulesType, type AccountData } from './account-data.ts'
import { nothing, type UserCore, type UserHandlers } from './core.ts'
import type { PushRuleEdit } from './messages.ts'

export function pushRuleHandlers(core: UserCore, data: AccountData): UserHandlers<'editPushRules'> {
  return {
    editPushRules: async (edit) => {
      core.openAccount()
      const rules = applyEdit(await data.storedRules(), edit)
      // The cast is sound: stored rules are plain JSON.
      await data.put('', pushRulesType, rules as JsonObject)
      return nothing
    },
  }
}

function applyEdit(stored: StoredRules | undefined, edit: PushRuleEdit): StoredRules {
  const address = { kind: parseRuleKind(edit.ruleKind), ruleId: edit.ruleId }
  switch (edit.op) {
    case 'put':
      return putRule(stored, address, edit.rule, { before: edit.before, after: edit.after })
    case 'delete':
      return deleteRule(stored, address)
    case 'enabled':
      return setRuleEnabled(stored, address, edit.enabled)
    case 'actions':
      return setRuleActions(stored, address, edit.actions)
  }
}
