/** Draws the cluster: hosts, shards, moves, what takes time and what fails. */

import { drawChart } from './chart.js'
import {
  badge,
  byId,
  colourOf,
  duration,
  element,
  keep,
  letterOf,
  markOf,
  milliseconds,
  placeOf,
  plural,
  show,
} from './elements.js'

/** What lines show is remembered for so long. */
const historyMs = 120_000
/** A shard that has moved is marked for so long. */
const movedForMs = 4000
const mebibyte = 1024 * 1024

/** Sums up what the shards of each host have to do. */
function loadsByOwner(view) {
  const loads = new Map()
  for (const { owner, load } of view.shards) {
    if (owner === null || load === null) continue
    const sum = loads.get(owner) ?? { mailbox: 0, uncommitted: 0, actors: 0 }
    sum.mailbox += load.mailbox
    sum.uncommitted += load.uncommitted
    sum.actors += load.actors
    loads.set(owner, sum)
  }
  return loads
}

/** Of a host that told of itself and owns nothing there is nothing to do; of one that did not it is not known. */
function loadOf(host, loads) {
  const idle = { mailbox: 0, uncommitted: 0, actors: 0 }
  return loads.get(host.id) ?? (host.answer === 'answered' ? idle : undefined)
}

function ownsShards(host) {
  return host.roles.includes('actors')
}

/** One picture of one cluster, updated with each view of it. */
export class Picture {
  /** Called with a host when its button is pressed. */
  #onDrain
  /** Per shard: the epoch seen last and when it changed. */
  #epochs = new Map()
  #cells = []
  #chosen
  #history = []

  constructor(onDrain) {
    this.#onDrain = onDrain
  }

  /** Shows a view that has just been fetched. `nowMs`: epoch milliseconds. */
  draw(view, nowMs) {
    const hosts = view.hosts
      .filter(ownsShards)
      .toSorted((a, b) => Number(a.state === 'gone') - Number(b.state === 'gone'))
    // Living hosts get their letters first, so that the page of a new operator begins with A.
    for (const host of hosts) if (host.state !== 'gone') placeOf(host.name)
    const loads = loadsByOwner(view)
    this.#remember(view, loads, nowMs)
    show(byId('server'), view.server_name)
    document.title = `${view.server_name} – Troupe console`
    this.#warnings(view)
    this.#hosts(hosts, view, loads)
    drawGateways(view)
    this.#shards(view, nowMs)
    this.#moves(view, nowMs)
    drawChart(byId('commits'), this.#samples('p99'))
    drawChart(byId('mailboxes'), this.#samples('mailbox'))
    this.#failures(view, nowMs)
    const gateway = view.gateway
    const answeredBy =
      gateway === undefined ? '' : `Answered by ${gateway.name}, version ${gateway.version}. `
    show(byId('foot'), `${answeredBy}Incarnation ${view.incarnation}.`)
  }

  #remember(view, loads, nowMs) {
    const points = new Map()
    for (const host of view.hosts) {
      if (host.commits === undefined || !ownsShards(host)) continue
      const load = loads.get(host.id)
      points.set(host.name, { p99: host.commits.p99_ms, mailbox: load?.mailbox ?? 0 })
    }
    this.#history.push({ atMs: nowMs, points })
    this.#history = this.#history.filter((sample) => nowMs - sample.atMs <= historyMs)
  }

  #samples(what) {
    return this.#history.map(({ atMs, points }) => {
      const values = [...points].map(([name, point]) => [name, point[what]])
      return { atMs, values: new Map(values) }
    })
  }

  #warnings(view) {
    const told = []
    const ownerless = view.shards.filter((shard) => !shard.alive).length
    if (ownerless > 0)
      told.push(
        `${plural(ownerless, 'shard')} without a living owner: a host will claim them in a moment, or there is none.`,
      )
    const living = view.hosts.filter((host) => host.state !== 'gone')
    const versions = [...new Set(living.map((host) => host.version))]
    if (versions.length > 1) told.push(`Hosts run different versions: ${versions.join(', ')}.`)
    const silent = living.filter((host) => host.answer === 'silent').map((host) => host.name)
    if (silent.length > 0)
      told.push(`Not answering: ${silent.join(', ')}. What they hold in memory is not shown.`)
    keep(byId('warnings'), told, {
      key: (text) => text,
      make: (text) => element('p', { class: 'warning', text }),
    })
  }

  #hosts(hosts, view, loads) {
    const living = hosts.filter((host) => host.state !== 'gone').length
    const gone = hosts.length - living
    show(byId('hosts-count'), gone === 0 ? `${living} alive` : `${living} alive, ${gone} gone`)
    keep(byId('hosts'), hosts, {
      key: (host) => host.id,
      make: (host) => this.#makeHost(host),
      update: (card, host) =>
        updateHost(card, host, { load: loadOf(host, loads), shardCount: view.shards.length }),
    })
  }

  #makeHost(host) {
    const facts = [
      'Shards',
      'Actors',
      'Mailboxes',
      'Commit p50',
      'Commit p99',
      'Renewed',
      'Memory',
      'Up',
      'In flight',
    ]
    const card = element(
      'li',
      { class: 'card host' },
      element(
        'div',
        { class: 'host-head' },
        badge(host.name),
        element('h3', { class: 'host-name', text: host.name, title: host.name }),
        element('span', { class: 'pill' }),
      ),
      element('p', { class: 'host-about' }),
      element('div', { class: 'share' }, element('span')),
      element(
        'dl',
        { class: 'facts' },
        ...facts.map((name) =>
          element('div', {}, element('dt', { text: name }), element('dd', { 'data-fact': name })),
        ),
      ),
      element('div', { class: 'host-foot' }, element('button', { type: 'button', class: 'quiet' })),
    )
    card.classList.add(colourOf(host.name))
    card.querySelector('button').addEventListener('click', () => this.#onDrain(card.troupeHost))
    return card
  }

  #shards(view, nowMs) {
    const owned = view.shards.filter((shard) => shard.alive).length
    show(byId('shards-count'), `${owned} of ${view.shards.length} owned`)
    if (this.#cells.length !== view.shards.length) this.#makeCells(view)
    for (const [index, shard] of view.shards.entries()) this.#updateCell(this.#cells[index], shard, nowMs)
    const counts = new Map()
    for (const { alive, owner_name: name } of view.shards)
      if (alive && name !== null) counts.set(name, (counts.get(name) ?? 0) + 1)
    const legend = [...counts].toSorted(([a], [b]) => placeOf(a) - placeOf(b))
    keep(byId('legend'), legend, {
      key: ([name]) => name,
      make: ([name]) => element('span', {}, badge(name, 'small'), element('span')),
      update: (entry, [name, count]) => show(entry.lastElementChild, `${name}: ${count}`),
    })
    this.#detail(view)
  }

  #makeCells(view) {
    const cells = view.shards.map((shard, index) => {
      const cell = element(
        'button',
        { type: 'button', class: 'shard', 'aria-pressed': 'false', tabindex: index === 0 ? '0' : '-1' },
        element('span', { class: 'number', 'aria-hidden': 'true', text: String(shard.shard) }),
        element('span', { class: 'owner-letter', 'aria-hidden': 'true' }),
        element('span', { class: 'load', 'aria-hidden': 'true' }),
      )
      cell.addEventListener('click', () => this.#choose(index))
      cell.addEventListener('keydown', (event) => this.#walk(event, index))
      return cell
    })
    byId('shards').replaceChildren(...cells)
    this.#cells = cells
  }

  #updateCell(cell, shard, nowMs) {
    const { load } = shard
    const name = shard.alive ? (shard.owner_name ?? shard.owner) : undefined
    const known = this.#epochs.get(shard.shard)
    if (known === undefined || known.epoch !== shard.epoch)
      this.#epochs.set(shard.shard, { epoch: shard.epoch, atMs: known === undefined ? -Infinity : nowMs })
    const moved = nowMs - this.#epochs.get(shard.shard).atMs < movedForMs
    const classes = ['shard', name === undefined ? 'free' : colourOf(name)]
    if (load?.state === 'leaving') classes.push('leaving')
    if (moved) classes.push('moved')
    const wanted = classes.join(' ')
    if (cell.className !== wanted) cell.className = wanted
    show(cell.children[1], name === undefined ? '–' : letterOf(name))
    const busy = (load?.mailbox ?? 0) + (load?.uncommitted ?? 0)
    cell.children[2].style.width = busy === 0 ? '0' : `${Math.min(80, 12 + 12 * Math.log2(1 + busy))}%`
    cell.setAttribute('aria-label', `Shard ${shard.shard}, ${name ?? 'no owner'}, epoch ${shard.epoch}`)
    cell.dataset.owner = name ?? ''
    cell.troupeShard = shard
  }

  #choose(index) {
    this.#chosen = this.#chosen === index ? undefined : index
    for (const [at, cell] of this.#cells.entries()) {
      cell.setAttribute('aria-pressed', String(at === this.#chosen))
      cell.tabIndex = at === index ? 0 : -1
    }
    this.#detail()
  }

  #walk(event, index) {
    const columns = getComputedStyle(byId('shards')).gridTemplateColumns.split(' ').length
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    const next = this.#cells[index + step]
    if (next === undefined) return
    this.#cells[index].tabIndex = -1
    next.tabIndex = 0
    next.focus()
  }

  #detail() {
    const shard = this.#cells[this.#chosen]?.troupeShard
    if (shard === undefined) return show(byId('shard'), 'Choose a shard to see its owner, position and load.')
    const owner =
      shard.owner === null
        ? 'without owner'
        : `${shard.owner_name ?? shard.owner}${shard.alive ? '' : ' (gone)'}`
    const parts = [
      `${owner}, epoch ${shard.epoch.toLocaleString('en')}, position ${shard.head.toLocaleString('en')}`,
    ]
    if (shard.load !== null) {
      const { actors, mailbox, uncommitted, followers } = shard.load
      parts.push(plural(actors, 'actor'), `${plural(mailbox, 'request')} waiting`)
      parts.push(
        `${plural(uncommitted, 'decision')} not yet committed`,
        `followed by ${plural(followers, 'host')}`,
      )
    }
    const text = `Shard ${shard.shard}: ${parts.join(' · ')}`
    if (byId('shard').textContent === text) return
    byId('shard').replaceChildren(
      element('strong', { text: `Shard ${shard.shard}` }),
      `: ${parts.join(' · ')}`,
    )
  }

  #moves(view, nowMs) {
    const [latest] = view.moves
    show(byId('moves-count'), latest === undefined ? '' : `the last ${duration(nowMs - latest.ts)} ago`)
    if (latest === undefined)
      return byId('moves').replaceChildren(element('li', { class: 'empty', text: 'No shard has moved yet.' }))
    keep(byId('moves'), view.moves, {
      key: (move) => `${move.shard}.${move.epoch}`,
      make: makeMove,
      update: (line, move) => show(line.lastElementChild, duration(nowMs - move.ts)),
    })
  }

  #failures(view, nowMs) {
    const told = new Map()
    for (const { name, failures } of [view.gateway, ...view.hosts]) {
      for (const failure of failures ?? []) told.set(`${name}\n${failure.what}`, { name, ...failure })
    }
    const lines = [...told.values()].toSorted((a, b) => b.last_ts - a.last_ts)
    if (lines.length === 0)
      return byId('failures').replaceChildren(element('li', { class: 'empty', text: 'None.' }))
    keep(byId('failures'), lines, {
      key: ({ name, what }) => `${name}\n${what}`,
      make: ({ name, what }) =>
        element(
          'li',
          {},
          markOf(name),
          element('span', { class: 'what', text: `${name}: ${what}` }),
          element('span'),
          element('span', { class: 'ago' }),
        ),
      update: (line, { count, last_ts: at }) => {
        show(line.children[2], `${count}×`)
        show(line.children[3], duration(nowMs - at))
      },
    })
  }
}

function drawGateways(view) {
  const gateways = view.hosts.filter((host) => !ownsShards(host) && host.state !== 'gone')
  byId('gateways-part').hidden = gateways.length === 0
  show(byId('gateways-count'), `${gateways.length} alive, without shards`)
  keep(byId('gateways'), gateways, {
    key: (host) => host.id,
    make: (host) =>
      element('li', { class: 'card gateway' }, element('strong', { text: host.name }), element('span')),
    update: (card, host) => {
      const own = host.answer === 'answered' ? ` · up ${duration(host.uptime_ms)} · answers this page` : ''
      const state = host.lease_age_ms < 3000 ? '' : ` · lease renewed ${duration(host.lease_age_ms)} ago`
      show(card.lastElementChild, `version ${host.version}${own}${state}`)
    },
  })
}

function makeMove(move) {
  const from = move.from === null ? undefined : (move.from.name ?? 'a host that is gone')
  const to = move.to.name ?? move.to.id
  const hosts = element('span', { class: 'hosts-moved' })
  if (from !== undefined)
    hosts.append(badge(from, 'small'), element('span', { text: '→', 'aria-hidden': 'true' }))
  hosts.append(badge(to, 'small'))
  hosts.title = from === undefined ? to : `${from} → ${to}`
  const spoken = from === undefined ? `to ${to}` : `from ${from} to ${to}`
  return element(
    'li',
    { 'aria-label': `Shard ${move.shard} ${spoken}, ${move.why}` },
    element('span', { class: 'number', text: `Shard ${move.shard}` }),
    hosts,
    element('span', { class: 'why', text: move.why }),
    element('span', { class: 'ago' }),
  )
}

const states = {
  alive: ['', 'alive'],
  draining: ['warn', 'draining'],
  gone: ['ill', 'gone'],
}

/** What a host lacks, as its lease says. */
const lacks = {
  'no bus': 'cannot reach NATS',
  'cut off': 'cut off from NATS',
  'no connections': 'no database connections',
}

function pillOf({ answer, condition, state }) {
  const lack = state === 'gone' ? undefined : lacks[condition]
  const words = [lack, answer === 'silent' ? 'silent' : undefined].filter((word) => word !== undefined)
  return words.length === 0 ? states[state] : ['ill', [state, ...words].join(', ')]
}

function commitTime({ commits }, which) {
  return commits === undefined || commits.count === 0 ? '–' : `${milliseconds(commits[which])} ms`
}

function updateHost(card, host, { load, shardCount }) {
  card.troupeHost = host
  card.classList.toggle('gone', host.state === 'gone')
  const [tone, word] = pillOf(host)
  const pill = card.querySelector('.pill')
  pill.className = `pill ${tone}`
  show(pill, word)
  const weight = host.weight === null || host.weight === 1 ? '' : ` · weight ${host.weight}`
  const unheard = host.state === 'gone' ? ` · last heard of ${duration(host.lease_age_ms)} ago` : ''
  show(
    card.querySelector('.host-about'),
    `${host.roles.join(' and ')} · version ${host.version}${weight}${unheard}`,
  )
  card.querySelector('.share > span').style.width = `${(host.shards / shardCount) * 100}%`
  const facts = {
    Shards: String(host.shards),
    Actors: load === undefined ? '–' : load.actors.toLocaleString('en'),
    Mailboxes: load === undefined ? '–' : String(load.mailbox),
    'In flight': load === undefined ? '–' : String(load.uncommitted),
    'Commit p50': commitTime(host, 'p50_ms'),
    'Commit p99': commitTime(host, 'p99_ms'),
    Renewed:
      host.lease_age_ms < 5000
        ? `${(host.lease_age_ms / 1000).toFixed(1)} s ago`
        : `${duration(host.lease_age_ms)} ago`,
    Memory: host.memory_bytes === undefined ? '–' : `${Math.round(host.memory_bytes / mebibyte)} MiB`,
    Up: host.uptime_ms === undefined ? '–' : duration(host.uptime_ms),
  }
  for (const node of card.querySelectorAll('[data-fact]')) show(node, facts[node.dataset.fact])
  const button = card.querySelector('button')
  button.hidden = host.state === 'gone'
  show(button, host.state === 'draining' ? 'Stop draining' : 'Drain')
  button.setAttribute('aria-label', `${button.textContent} ${host.name}`)
}
