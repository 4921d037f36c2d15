// The inspector: a person looks at records, filters them, turns pages, and sees what queries depend on.
// node inspector.mjs PROGRAM [SCREENSHOT]

import assert from 'node:assert/strict'
import { test } from './harness.mjs'

const [program, screenshot] = process.argv.slice(2)
const BOARD = 0, INSPECTOR = 1
const until = (page, condition) => page.waitForFunction(condition, { timeout: 20_000, polling: 50 })
const cells = (page, column) => page.$$eval('main tbody tr', (rows, column) => rows.map(row => row.cells[column].textContent), column)
const heads = page => page.$$eval('main thead th', heads => heads.map(head => head.textContent))
const press = (page, text) => page.evaluate(text => {
  [...document.querySelectorAll('button')].find(button => button.textContent.startsWith(text)).click()
}, text)

await test('inspector', program, ['--port', '0', '--speed', '20'], async open => {
  const page = await open('/', INSPECTOR)
  await until(page, 'document.querySelectorAll("main tbody tr").length === 50')
  assert.deepEqual((await heads(page)).slice(0, 4), ['id', 'carrier', 'flight', 'origin'])
  assert.equal(await page.title(), 'live-board – noex-store inspector')
  const version = () => page.$eval('#version', element => Number(element.textContent.replaceAll(',', '')))
  const before = await version()
  await until(page, `Number(document.querySelector('#version').textContent.replaceAll(',', '')) > ${before}`)

  // Pages do not overlap.
  const first = await cells(page, 0)
  await press(page, 'Next')
  await until(page, `document.querySelector('main tbody td').textContent !== ${JSON.stringify(first[0])}`)
  const second = await cells(page, 0)
  assert.equal(new Set([...first, ...second]).size, 100)

  // A filter, and what it says of one that cannot be.
  const filter = async text => {
    await page.click('#filter', { count: 3 })
    await page.keyboard.press('Backspace')
    await page.keyboard.type(text)
    await page.keyboard.press('Enter')
  }
  await filter('origin = JFK and delay > 60')
  await until(page, '[...document.querySelectorAll("main tbody tr")].length > 0 && [...document.querySelectorAll("main tbody tr")].every(row => row.cells[3].textContent === "JFK")')
  const delay = (await heads(page)).indexOf('delay')
  assert.ok((await cells(page, delay)).every(text => Number(text) > 60))
  // The address keeps it.
  assert.match(page.url(), /filter=origin/)
  await filter('gate = 7')
  await until(page, 'document.querySelector("#complaint")').catch(() => assert.fail('no complaint'))
  assert.match(await page.$eval('#complaint', element => element.textContent), /bucket `legs` has no field `gate`; it has id, /)
  await filter('')

  await press(page, 'Schema')
  await until(page, 'document.querySelector("main h3")?.textContent === "Fields"')
  assert.match(await page.$eval('main', element => element.textContent), /state_and_left/)

  // A board that is open is seen as subscriptions.
  const board = await open('/?origin=JFK', BOARD)
  await until(board, 'live.lists.next?.length > 0')
  await press(page, 'Live queries')
  await until(page, '[...document.querySelectorAll("main td")].some(cell => cell.textContent.includes(`origin = "JFK"`))')
  assert.match(await page.$eval('main', element => element.textContent), /Choice \{ origin: "JFK", carrier: "" \}/)
  if (screenshot) {
    await page.bringToFront()
    await page.screenshot({ path: screenshot })
  }

  await press(page, 'Commits')
  await until(page, 'document.querySelector("main thead th")?.textContent === "commit"')
  const changed = await cells(page, 2)
  assert.ok(changed.length > 10)
  assert.ok(changed.every(text => text.includes('clock: 1 updated')), changed[0])
}, /status of 400/)
