import { configFileKey, defaultConfigFile, settingGroups, settings, type Setting } from './schema.ts'

const width = 92

const introduction = `Troupe reads its settings from the environment and from one file of lines KEY=value; the environment wins.
The file is ${defaultConfigFile} in the working directory, or the one that ${configFileKey} names. Everything has a default.`

/** The manual of all settings, as text for a terminal; it is itself a valid configuration file. */
export function configReference(): string {
  const all = Object.values(settings)
  const sections = settingGroups.map((group) => {
    const entries = all.filter((setting) => setting.group === group).map(entry)
    return `## ${group}\n\n${entries.join('\n\n')}`
  })
  return `${comment(introduction)}\n\n${sections.join('\n\n')}\n`
}

function entry(setting: Setting): string {
  const secret = setting.secret ? ' Secret: never printed.' : ''
  const value = setting.fallback === undefined ? '' : setting.fallback
  return `${comment(setting.description + secret)}\n# ${setting.key}=${value}`
}

/** Text as comment lines of limited width. */
function comment(text: string): string {
  const lines: string[] = []
  let current = ''
  for (const word of text.split(/\s+/)) {
    if (current !== '' && current.length + word.length + 1 > width) {
      lines.push(current)
      current = word
    } else {
      current = current === '' ? word : `${current} ${word}`
    }
  }
  lines.push(current)
  return lines.map((each) => `# ${each}`).join('\n')
}
