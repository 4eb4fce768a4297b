import { stringField, type JsonObject } from '../../json/types.ts'

/** Who may see the events of a room. Client-server API v1.19, `m.room.history_visibility`. */
export type HistoryVisibility = 'invited' | 'joined' | 'shared' | 'world_readable'

const visibilities: ReadonlySet<string> = new Set<HistoryVisibility>([
  'invited',
  'joined',
  'shared',
  'world_readable',
])

function isHistoryVisibility(text: string): text is HistoryVisibility {
  return visibilities.has(text)
}

/** The visibility in the content of an `m.room.history_visibility` event; `shared` without the event or with an unknown value. */
export function historyVisibilityOf(content: JsonObject | undefined): HistoryVisibility {
  const value = content === undefined ? undefined : stringField(content, 'history_visibility')
  return value !== undefined && isHistoryVisibility(value) ? value : 'shared'
}
