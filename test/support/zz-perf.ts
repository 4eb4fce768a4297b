import { SyncWorld, reading, syncOf } from './sync-world.ts'
import { subscribe } from 'node:diagnostics_channel'
await using world = await SyncWorld.open()
const mode = process.argv[2] ?? 'fan'
const a = await world.person('alice')
if (mode === 'fan') {
  const n = Number(process.argv[3] ?? 100), msgs = Number(process.argv[4] ?? 100)
  const room = await world.room(a)
  const people = []
  for (let i=0;i<n;i++) { const p = await world.person('m'+i); await p.member(room,'join'); people.push(p) }
  const filter = JSON.stringify({room:{state:{lazy_load_members:true}}})
  let delivered = 0
  const tokens = await Promise.all(people.map(async p => (await p.sync({filter})).next_batch))
  let stop = false
  let ms = 0, count = 0
  subscribe('troupe:sync', (e: any) => { if (e.what==='wake') {count++; ms += e.ms} else other[e.what]=(other[e.what]??0)+1 })
  const other: any = {}
  const raw = (p: any, since: string) => world.ask.ask('user', p.userId, 'sync', {deviceId:'DEV', since, timeoutMs: 20000, fullState:false, useStateAfter:false, filter}, {timeoutMs: 30000}) as any
  const loops = people.map(async (p, i) => { let since = tokens[i]; while (!stop) { const r = await raw(p, since); since = r.body.slice(15, r.body.indexOf('"', 15)); if (r.body.includes('m.room.message')) delivered++ } })
  await new Promise(r => setTimeout(r, 500))
  const cpu0 = process.cpuUsage(), t0 = performance.now()
  for (let i=0;i<msgs;i++) { await a.send(room, 'message '+i); while (delivered < (i+1)*n) await new Promise(r => setImmediate(r)) }
  const t = performance.now()-t0, cpu = process.cpuUsage(cpu0)
  console.log({n, msgs, delivered, perSec: Math.round(delivered/t*1000), cpuUsPerDelivery: Math.round((cpu.user+cpu.system)/delivered), wakeMs: ms/count, other})
  process.exit(0)
} else {
  const b = await world.person('bob')
  const rooms = Number(process.argv[3] ?? 200)
  for (let i=0;i<rooms;i++) { const r = await world.room(a, {state:[{type:'m.room.name',stateKey:'',content:{name:'Room '+i}}]}); await b.member(r,'join'); for (let k=0;k<15;k++) await b.send(r,'m'+k) }
  for (let k=0;k<6;k++) { const t=performance.now(); const c0=process.cpuUsage(); const r = await a.sync(k%2?{filter: JSON.stringify({room:{state:{lazy_load_members:true}}})}:{}); const c=process.cpuUsage(c0); console.log('initial', (performance.now()-t).toFixed(1), 'cpu', (c.user+c.system)/1000, JSON.stringify(r).length) }
  const f = await a.sync(); const s=f.next_batch
  for (let k=0;k<3;k++) {const t=performance.now(); await a.sync({since:s}); console.log('empty0', (performance.now()-t).toFixed(2)) }
  const c0=process.cpuUsage(); for (let k=0;k<200;k++) await a.sync({since:s, timeoutMs:1}); const c=process.cpuUsage(c0); console.log('empty cpu us', (c.user+c.system)/200)
  process.exit(0)
}
