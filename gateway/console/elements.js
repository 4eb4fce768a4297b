/**
 * What the page's parts are made of. Everything is made with `textContent` and attributes, so that no text from the server is ever
 * read as markup.
 *
 * Owners are told apart by a letter and a colour, which a host's name keeps as long as the page is open.
 */

const colours = 8

/** Name of a host → its place among letters and colours. */
const places = new Map()

/** Makes an element. `attributes` named `class`, `text`, `on…` or anything that HTML knows. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (name === 'text') made.textContent = value
    else if (name.startsWith('on')) made.addEventListener(name.slice(2), value)
    else made.setAttribute(name, value === true ? '' : value)
  }
  made.append(...children)
  return made
}

export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'text') made.textContent = value
    else made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

export function byId(id) {
  return document.getElementById(id)
}

export function placeOf(name) {
  if (!places.has(name)) places.set(name, places.size)
  return places.get(name)
}

export function letterOf(name) {
  const place = placeOf(name)
  const letter = String.fromCharCode(65 + (place % 26))
  return place < 26 ? letter : letter + Math.floor(place / 26)
}

export function colourOf(name) {
  return `o${placeOf(name) % colours}`
}

/** As {@link badge}, but for a process that may own no shards: a mark without colour then. */
export function markOf(name) {
  if (places.has(name)) return badge(name, 'small')
  return element('span', { class: 'letter small', text: '·', 'aria-hidden': 'true' })
}

/** The coloured letter of a host; decoration, for its name stands beside it. */
export function badge(name, size = '') {
  return element('span', {
    class: `letter ${size} ${colourOf(name)}`,
    text: letterOf(name),
    'aria-hidden': 'true',
  })
}

export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

export function milliseconds(ms) {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms))
}

export function plural(count, word) {
  return `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`
}

/** Replaces what an element shows only if it has changed, so that what is selected or focused stays. */
export function show(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** Keeps one child per key: makes new ones, updates those that stay, removes the others, in the order of `items`. */
export function keep(parent, items, { key, make, update }) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]))
  let before = parent.firstElementChild
  for (const item of items) {
    const name = key(item)
    let child = present.get(name)
    if (child === undefined) {
      child = make(item)
      child.dataset.key = name
    }
    present.delete(name)
    if (child === before) before = before.nextElementSibling
    else parent.insertBefore(child, before)
    update?.(child, item)
  }
  for (const child of present.values()) child.remove()
}
