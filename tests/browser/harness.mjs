// A program that serves a page, and a browser that looks at it.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

import packed from '@sparticuz/chromium'
import puppeteer from 'puppeteer-core'

// One that is installed, if there is any; else the one that comes as a package, which is for Linux alone.
async function browser() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const places = (process.env.PATH ?? '').split(delimiter).flatMap(folder => names.map(name => join(folder, name)))
  const installed = [process.env.CHROMIUM, ...places].filter(Boolean).find(file => {
    try { accessSync(file, constants.X_OK); return true } catch { return false }
  })
  const args = installed ? ['--no-sandbox'] : packed.args
  const executablePath = installed ?? await packed.executablePath()
  return puppeteer.launch({ executablePath, args, headless: 'shell', defaultViewport: { width: 1280, height: 720 } })
}

// Starts a program, and gives the first addresses that it prints.
function serve(program, args, count) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const addresses = new Promise((resolve, reject) => {
    const found = []
    createInterface({ input: child.stdout }).on('line', line => {
      found.push(...line.match(/http:\/\/\S+/g) ?? [])
      if (found.length >= count) resolve(found)
    })
    child.once('error', reject)
    child.once('exit', code => reject(new Error(`${program} ended with ${code}`)))
  })
  return { child, addresses }
}

// Runs a test of the pages that a program serves at its first addresses; fails on whatever a page complains about, too. `steps` is given
// a function that opens a page: of a path, and of the number of the address. What
// the test has the page complain about is `expected`.
export async function test(name, program, args, steps, expected = /^$/) {
  const { child, addresses } = serve(program, args, 2)
  const chromium = await browser()
  const complaints = []
  try {
    const bases = await addresses
    const open = async (path, number = 0) => {
      const page = await chromium.newPage()
      page.on('pageerror', error => complaints.push(error.message))
      page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
      await page.goto(bases[number] + path)
      return page
    }
    await steps(open)
    assert.deepEqual(complaints.filter(text => !expected.test(text)), [], 'complaints of the page')
    console.log(`${name}: ok`)
  } finally {
    await chromium.close()
    child.kill()
  }
}
