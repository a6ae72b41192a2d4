// Looks at pages in Chromium: look.mjs CHROMIUM ADDRESS REPORT FOLDER. A line of JSON for each check: name, ok, why. Screenshots go to FOLDER.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [executablePath, address, report, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const told = (name, ok, why = "") => console.log(JSON.stringify({ name, ok, why }));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function check(name, url, colorScheme, width) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("requestfailed", (request) => complaints.push(`not loaded: ${request.url()}`));
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(url);
  await page.screenshot({ path: `${folder}/${name}-${colorScheme}-${width}.png`, fullPage: true });
  told(`${name} ${colorScheme} ${width}: nothing is loaded and nothing complains`, complaints.length === 0 && requests.length === 1, [...complaints, ...requests].join("; "));
  await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  const why = violations.map((it) => `${it.id}: ${it.help}: ${it.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
  told(`${name} ${colorScheme} ${width}: axe finds nothing`, violations.length === 0, why.join("; "));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1);
  told(`${name} ${colorScheme} ${width}: the page itself does not scroll sideways`, !wide);
  await context.close();
}

const found = await (async () => {
  const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await page.goto(address);
  const links = await page.locator("a[href]").evaluateAll((all) => all.map((it) => it.href)).catch(() => []);
  return { links, text: await page.locator("main").innerText() };
})();
told("the overview reads without JavaScript", ["orders", "WARN", "answered 404", "lakeward check"].every((word) => found.text.includes(word)), found.text.slice(0, 400));

const page = await (await browser.newContext()).newPage();
await page.goto(address);
const links = await page.$$eval("a[href]", (all) => all.map((it) => it.href));
const one = (kind) => links.find((link) => link.includes(kind));

// The keyboard: the first stop skips to the content, and each stop is seen.
await page.keyboard.press("Tab");
const first = await page.evaluate(() => document.activeElement.textContent);
told("the first stop of the keyboard skips to the content", first === "Skip to the content", first);
const stops = new Set();
for (let at = 0; at < 60; at += 1) {
  await page.keyboard.press("Tab");
  stops.add(await page.evaluate(() => document.activeElement.getAttribute("href") ?? document.activeElement.getAttribute("aria-label")));
}
told("the keyboard reaches the tables", [...stops].some((stop) => stop?.includes("/table/")), [...stops].join(" "));

const pages = { overview: address, table: one("/table/billing/orders"), partitioned: one("/table/billing/events"), run: one("/run/"), runs: one("/runs/"), report };
for (const [name, url] of Object.entries(pages)) {
  told(`${name} has an address`, Boolean(url));
  if (!url) continue;
  for (const scheme of ["light", "dark"]) await check(name, url, scheme, 1280);
  await check(name, url, "light", 420);
}
await browser.close();
