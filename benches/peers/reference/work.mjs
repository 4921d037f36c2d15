// The work of the peers by the JavaScript library. Reads a line of JSON for each task, and answers with one.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Store } from '@hamicek/noex-store';

const HIGH = 999;
const PAGE = 20;
const RANGE = 100;

const field = (type, more = {}) => ({ type, required: true, ...more });
const own = JSON.parse(readFileSync('node_modules/@hamicek/noex/package.json', 'utf8'));
const all = [];
const flights = [];
let store, users, middle;

/** Fills a store, and tells what that took: nanoseconds, and bytes of the process. */
async function start() {
  store = await Store.start();
  await store.defineBucket('users', {
    key: 'id',
    schema: {
      id: field('string'),
      email: field('string', { unique: true }),
      name: field('string'),
      role: field('number'),
      city: field('number'),
      score: field('number'),
    },
    indexes: ['role', 'city'],
  });
  await store.defineBucket('orders', {
    key: 'id',
    schema: { id: { type: 'number', generated: 'autoincrement' }, user: field('string'), total: field('number') },
  });
  store.defineQuery('one user', async (ctx, id) => ctx.bucket('users').get(id));
  users = store.bucket('users');
  globalThis.gc();
  const before = process.memoryUsage().rss;
  const begin = process.hrtime.bigint();
  for (let from = 0; from < all.length; from += 1000) {
    await users.insertMany(all.slice(from, from + 1000));
    // Its events wait in an array that is shifted: a million of them would take minutes.
    await store.settle();
  }
  const nanos = Number(process.hrtime.bigint() - begin);
  globalThis.gc();
  const bytes = process.memoryUsage().rss - before;
  // It pages in the order of insertion alone.
  middle = all[all.length / 2 - 1].id;
  return { nanos, bytes, standIn: own.private === true };
}

/** One operation of a kind of work, as a function of its number; tells how many it found. */
function operation({ work, fresh, asked, scores }) {
  const user = (n) => all[asked[n % asked.length]];
  const score = (n) => scores[n % scores.length];
  return {
    Insert: async (n) => (await users.insert(fresh[n]), 0),
    InsertTogether: async () => (await users.insertMany(fresh), 0),
    Get: async (n) => (await users.get(user(n).id)).name.length,
    Unique: async (n) => (await users.findOne({ email: user(n).email })).name.length,
    Index: async (n) => (await users.where({ city: user(n).city })).filter(({ city }) => city === user(n).city).length,
    Range: async (n) => {
      const found = await users.where({ city: { $gte: user(n).city } });
      return found.sort((a, b) => a.city - b.city).slice(0, RANGE).length;
    },
    Filter: async () => (await users.where({ score: { $gte: HIGH } })).length,
    Page: async () => (await users.paginate({ after: middle, limit: PAGE })).records.length,
    Update: async (n) => (await users.update(user(n).id, { score: score(n) }), 0),
    Delete: async (n) => (await users.delete(fresh[n].id), 0),
    Transaction: async (n) => {
      await store.transaction(async (tx) => {
        const [users, orders] = [await tx.bucket('users'), await tx.bucket('orders')];
        const { id, score: old } = await users.get(user(n).id);
        await users.update(id, { score: (old + score(n)) % 900 });
        await orders.insert({ user: id, total: score(n) });
      });
      return 0;
    },
    Groups: async () => {
      const counts = await users.groupBy('role', { function: 'count' });
      const means = await users.groupBy('role', { function: 'avg', field: 'score' });
      return means.every(({ value }) => value > 0) ? counts.reduce((sum, { value }) => sum + value, 0) : 0;
    },
  }[work];
}

/** Updates of a user whose one subscriber waits for it, among subscriptions to others. */
async function subscribed({ others, times, scores, number }) {
  let told = () => {};
  const ends = [await store.subscribe('one user', all[0].id, (user) => told(user))];
  for (let n = 1; n < others; n++) {
    const id = all[n]?.id ?? `nobody ${n}`;
    ends.push(await store.subscribe('one user', id, () => {}));
  }
  await store.settle();
  const begin = process.hrtime.bigint();
  for (let n = 0; n < times; n++) {
    const waits = new Promise((resolve) => (told = resolve));
    await users.update(all[0].id, { score: scores[n % scores.length] + 1000 + number });
    await waits;
  }
  const nanos = Number(process.hrtime.bigint() - begin) / times;
  for (const end of ends) end();
  return { nanos, found: 0 };
}

/** Loads the flights that were sent into an empty bucket of their own. */
async function load() {
  const [number, text, maybe] = [field('number'), field('string'), (type) => ({ type })];
  const schema = {
    id: number, month: number, day: number, sched_dep_time: number, dep_delay: maybe('number'),
    arr_delay: maybe('number'), carrier: text, flight: number, tailnum: maybe('string'), origin: text, dest: text,
    air_time: maybe('number'), distance: number,
  };
  await store.defineBucket('flights', { key: 'id', schema, indexes: ['carrier', 'tailnum', 'dest'] });
  const bucket = store.bucket('flights');
  const begin = process.hrtime.bigint();
  for (let from = 0; from < flights.length; from += 10000) {
    await bucket.insertMany(flights.slice(from, from + 10000));
    await store.settle();
  }
  const nanos = Number(process.hrtime.bigint() - begin) / flights.length;
  const found = await bucket.count();
  await store.dropBucket('flights');
  flights.length = 0;
  return { nanos, found };
}

async function round(task) {
  const { work, fresh, times } = task;
  if (task.others > 0) return subscribed(task);
  const once = operation(task);
  if (work === 'Delete') await users.insertMany(fresh);
  let found = 0;
  const begin = process.hrtime.bigint();
  for (let n = 0; n < (work === 'InsertTogether' ? 1 : times); n++) found += await once(n);
  const nanos = Number(process.hrtime.bigint() - begin) / times;
  if (work === 'Insert' || work === 'InsertTogether') for (const { id } of fresh) await users.delete(id);
  await store.settle();
  return { nanos, found };
}

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  if (task.users !== undefined) {
    for (const user of task.users) all.push(user);
    continue;
  }
  if (task.flights !== undefined) {
    for (const flight of task.flights) {
      // What is not known is left out.
      flights.push(Object.fromEntries(Object.entries(flight).filter(([, value]) => value !== null)));
    }
    continue;
  }
  if (task.work === 'Flights') {
    process.stdout.write(`${JSON.stringify(await load())}\n`);
    continue;
  }
  const answer = task.work === undefined ? await start() : await round(task);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
