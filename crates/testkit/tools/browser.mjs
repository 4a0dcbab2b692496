// Chromium for tests, driven by Playwright. Argument: the program.

import { createRequire } from 'node:module';

import { serve } from './lines.mjs';

const { chromium } = createRequire(import.meta.url)('playwright-core');

// Playwright says what it waited for, which is more than the test knows, so it gives up first.
const WAIT_MS = 20_000;

// Pages reach this machine only: what is elsewhere does not exist, rather than taking its time.
const THIS_MACHINE = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost';

const browser = await chromium.launch({ executablePath: process.argv[2], args: [THIS_MACHINE] });
const visitors = [];

/** A profile of its own with one tab. */
async function enter() {
  const context = await browser.newContext();
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  const visits = [];
  page.on('response', (response) => {
    const request = response.request();
    if (request.isNavigationRequest() && response.frame() === page.mainFrame()) {
      visits.push({ method: request.method(), url: response.url(), status: response.status() });
    }
  });
  // Playwright's own interception does not see where a redirect leads; that of the browser does.
  const network = await context.newCDPSession(page);
  network.on('Fetch.requestPaused', ({ requestId }) => {
    network.send('Fetch.fulfillRequest', { requestId, responseCode: 200 });
  });
  return visitors.push({ context, network, page, visits }) - 1;
}

async function look({ page, visits }) {
  const text = await page.locator('body').innerText();
  return { url: page.url(), status: visits.at(-1)?.status ?? 0, text };
}

/** Commands on one visitor's tab. */
const acts = {
  open: async (visitor, { url }) => {
    await visitor.page.goto(url);
    return look(visitor);
  },
  arrive: async (visitor, { prefix }) => {
    await visitor.page.waitForURL((url) => url.href.startsWith(prefix));
    return look(visitor);
  },
  see: async (visitor, { text }) => {
    await visitor.page.getByText(text).first().waitFor();
    return look(visitor);
  },
  fill: ({ page }, { selector, text }) => page.fill(selector, text),
  click: ({ page }, { selector }) => page.click(selector),
  run: ({ page }, { script }) => page.evaluate(script),
  cookies: ({ context }) => context.cookies(),
  visits: ({ visits }) => visits,
  withhold: ({ network }, { prefix }) =>
    network.send('Fetch.enable', { patterns: [{ urlPattern: `${prefix}*` }] }),
  letThrough: ({ network }) => network.send('Fetch.disable'),
};

const commands = Object.entries(acts).map(([name, act]) =>
  [name, (input) => act(visitors[input.visitor], input)]);
await serve({ enter, ...Object.fromEntries(commands) });
await browser.close();
