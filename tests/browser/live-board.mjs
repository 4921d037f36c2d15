// The live board: the page moves, two windows agree, and a filter is a parameter of the queries.
// node live-board.mjs PROGRAM [SCREENSHOT]

import assert from 'node:assert/strict'
import { test } from './harness.mjs'

const [program, screenshot] = process.argv.slice(2)
const lists = ['flying', 'next', 'latest']

// A list at each of the last commits: of the page's own notes.
const seen = (page, list) => page.evaluate(list => Object.fromEntries(seen[list]), list)
const until = (page, condition) => page.waitForFunction(condition, { timeout: 20_000, polling: 50 })

await test('live board', program, ['--port', '0', '--speed', '20'], async open => {
  const [one, other] = [await open('/'), await open('/')]
  for (const page of [one, other]) await until(page, 'seen.flying.size > 60 && live.lists.flying.length > 20')

  for (const list of lists) {
    const [mine, theirs] = [await seen(one, list), await seen(other, list)]
    const common = Object.keys(mine).filter(version => version in theirs)
    assert.ok(common.length > (list === 'flying' ? 20 : 2), `${common.length} answers of ${list} in common`)
    for (const version of common) assert.equal(mine[version], theirs[version], `${list} at commit ${version}`)
  }

  const before = await one.evaluate(() => ({ now: live.numbers.now, places: JSON.stringify(live.lists.flying) }))
  await until(one, `live.numbers.now > ${JSON.stringify(before.now)}`)
  await until(one, `JSON.stringify(live.lists.flying) !== ${JSON.stringify(before.places)}`)
  assert.equal(await one.$eval('#next-lines', body => body.rows.length), 12)

  // A page with a filter has what the other one has of it.
  await other.select('#origin', 'JFK')
  await until(other, 'seen.flying.size > 60')
  assert.match(other.url(), /origin=JFK/)
  const [all, some] = [await seen(one, 'flying'), await seen(other, 'flying')]
  const common = Object.keys(all).filter(version => version in some)
  assert.ok(common.length > 20, `${common.length} answers in common`)
  for (const version of common) {
    const expected = JSON.parse(all[version]).filter(leg => leg.origin === 'JFK')
    assert.ok(expected.length > 0)
    assert.deepEqual(JSON.parse(some[version]), expected, `from JFK at commit ${version}`)
  }
  await other.select('#carrier', 'B6')
  await until(other, 'live.lists.next?.length > 0 && live.lists.next.every(leg => leg.origin === "JFK" && leg.carrier === "B6")')

  // The address keeps the filter.
  const third = await open('/?origin=LGA&carrier=AA')
  await until(third, 'live.lists.next?.length > 0')
  assert.ok(await third.evaluate(() => live.lists.next.every(leg => leg.origin === 'LGA' && leg.carrier === 'AA')))

  if (screenshot) {
    await one.bringToFront()
    await new Promise(resolve => setTimeout(resolve, 2000))
    await one.screenshot({ path: screenshot })
  }
})
