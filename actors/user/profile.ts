/** The user's profile. What of it stands in member events is written into his rooms after the commit (`fanout.ts`). */

import { parseJson } from '#protocol/json/parse.ts'
import { MatrixError } from '#protocol/errors.ts'
import { utf8Bytes } from '#protocol/json/limits.ts'
import { objectFromEntries, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import { readProfile } from '#storage/users/profiles.ts'
import { nothing, type Draft, type UserCore, type UserHandlers } from './core.ts'

/** The greatest size of a whole profile as JSON, bytes. Client-server API v1.19, "Profiles". */
export const maxProfileBytes = 65_536

/** Profile fields that member events carry. */
const memberFields: ReadonlySet<string> = new Set(['displayname', 'avatar_url'])

export class Profile {
  readonly #core: UserCore
  #fields: Promise<Map<string, JsonValue>> | undefined = undefined

  constructor(core: UserCore) {
    this.#core = core
  }

  /** Writes the removal of everything into a draft. */
  async erase(draft: Draft): Promise<void> {
    const fields = await this.#load()
    if (fields.size === 0) return
    for (const key of fields.keys())
      draft.put('profile', { user_id: this.#core.userId, key, value: '', deleted: true })
    draft.changeProfile([...fields.keys()])
    fields.clear()
  }

  /** Sets or, without a value, removes a field. Throws M_PROFILE_TOO_LARGE. */
  async put(key: string, value: JsonValue | undefined): Promise<void> {
    const fields = await this.#load()
    const before = fields.get(key)
    if (JSON.stringify(before) === JSON.stringify(value)) return
    const draft = this.#core.draft()
    if (value === undefined) {
      fields.delete(key)
      draft.put('profile', { user_id: this.#core.userId, key, value: '', deleted: true })
    } else {
      checkSize(objectFromEntries([...fields, [key, value]]))
      fields.set(key, value)
      draft.put('profile', { user_id: this.#core.userId, key, value: JSON.stringify(value) })
    }
    if (memberFields.has(key)) draft.changeProfile([key])
    else draft.log('profile', { keys: [key] })
    void this.#core.decide(draft)
  }

  #load(): Promise<Map<string, JsonValue>> {
    // The registration may have set a field that is still on its way to Postgres.
    return (this.#fields ??= this.#core
      .settled()
      .then(() => readProfile(this.#core.context.reads, this.#core.userId))
      // The cast is sound: the column holds JSON that this actor wrote.
      .then((texts) => new Map([...texts].map(([key, text]) => [key, parseJson(text)])))
      .catch((error: unknown) => {
        this.#fields = undefined
        throw error
      }))
  }
}

function checkSize(profile: JsonObject): void {
  if (utf8Bytes(JSON.stringify(profile)) <= maxProfileBytes) return
  throw new MatrixError('M_PROFILE_TOO_LARGE', `A profile can take ${maxProfileBytes} bytes in all.`)
}

export function profileHandlers(core: UserCore, profile: Profile): UserHandlers<'putProfile'> {
  return {
    putProfile: async ({ key, value }) => {
      core.openAccount()
      await profile.put(key, value)
      return nothing
    },
  }
}
