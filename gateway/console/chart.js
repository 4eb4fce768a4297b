/** Lines over time, one for each host, each with the letter of its host at its end. */

import { colourOf, drawing, letterOf, milliseconds } from './elements.js'

const frame = { height: 176, left: 38, right: 34, top: 10, bottom: 22 }
/** However short the page has been open, the picture spans so much. */
const leastSpanMs = 20_000

/**
 * Draws into `place`. `samples`: `{ atMs, values }` in the order of time, `values` a map from the name of a host to a number.
 */
export function drawChart(place, samples) {
  const last = samples.at(-1)
  const names = [...last.values.keys()]
  const width = Math.max(240, place.clientWidth)
  const spanMs = Math.max(leastSpanMs, last.atMs - samples[0].atMs)
  const top = roundUp(Math.max(1, ...samples.flatMap(({ values }) => [...values.values()])))
  const scale = {
    x: (atMs) => width - frame.right - ((last.atMs - atMs) / spanMs) * (width - frame.left - frame.right),
    y: (value) => frame.height - frame.bottom - (value / top) * (frame.height - frame.top - frame.bottom),
  }
  const picture = drawing('svg', { viewBox: `0 0 ${width} ${frame.height}`, role: 'img' })
  const now = names.map((name) => `${name} ${milliseconds(last.values.get(name))}`)
  picture.setAttribute('aria-label', now.length === 0 ? 'No host tells of itself.' : `Now: ${now.join(', ')}`)
  picture.append(...axes({ width, top, spanMs }, scale), ...lines(names, samples, scale))
  spreadMarks(picture, width)
  place.replaceChildren(picture)
}

function axes({ width, top, spanMs }, { y }) {
  const right = width - frame.right
  const levels = [0, 0.5, 1].flatMap((part) => [
    drawing('line', { class: 'grid', x1: frame.left, x2: right, y1: y(top * part), y2: y(top * part) }),
    drawing('text', {
      x: frame.left - 6,
      y: y(top * part) + 4,
      'text-anchor': 'end',
      text: shortNumber(top * part),
    }),
  ])
  const foot = frame.height - 5
  return [
    ...levels,
    drawing('text', { x: frame.left, y: foot, text: `${Math.round(spanMs / 1000)} s ago` }),
    drawing('text', { x: right, y: foot, 'text-anchor': 'end', text: 'now' }),
  ]
}

function lines(names, samples, { x, y }) {
  return names.flatMap((name) => {
    const own = samples.filter(({ values }) => values.has(name))
    const points = own.map(({ atMs, values }) => `${x(atMs).toFixed(1)},${y(values.get(name)).toFixed(1)}`)
    return [
      drawing('polyline', { class: `line ${colourOf(name)}`, points: points.join(' ') }),
      drawing(
        'g',
        { class: `mark ${colourOf(name)}`, 'data-y': y(own.at(-1).values.get(name)) },
        drawing('rect', { x: 0, y: -8, width: 20, height: 16, rx: 4 }),
        drawing('text', { x: 10, y: 4, 'text-anchor': 'middle', text: letterOf(name) }),
      ),
    ]
  })
}

/** Moves the letters at the ends of lines apart where they would cover each other. */
function spreadMarks(picture, width) {
  const height = 18
  const marks = [...picture.querySelectorAll('.mark')].toSorted((a, b) => b.dataset.y - a.dataset.y)
  let limit = frame.height - frame.bottom + 8
  for (const mark of marks) {
    const at = Math.min(Number(mark.dataset.y), limit)
    limit = at - height
    mark.setAttribute('transform', `translate(${width - frame.right + 6} ${at})`)
  }
}

/** The next number of 1, 2 or 5 times a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value)
}

function shortNumber(value) {
  return value >= 1000 ? `${value / 1000}k` : String(value)
}
