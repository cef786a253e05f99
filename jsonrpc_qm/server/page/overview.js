// The overview: how much of what there is, how fast it goes, and who works.

import { html } from "./html.js";
import { LiveView } from "./live-view.js";
import { NamesTable } from "./names-table.js";
import { NoTasks } from "./no-tasks.js";
import { Trouble } from "./trouble.js";
import { batch, orNothing, orThrow } from "./rpc.js";
import { to } from "./route.js";
import { Sparkline, perSecond, recently } from "./sparkline.js";
import { count, rate, shown } from "./text.js";
import { duration } from "./time.js";
import { WorkersTable, numberOf } from "./workers-table.js";

const RUNNING_SHOWN = 100;
const CHART_STEPS = 180;
const RATES_EVERY = 5000; // milliseconds

const NO_RATES = { interval: 10, names: {} }; // until they are there

const TILES = ["queued", "scheduled", "started", "failed"];

export class Overview extends LiveView {
  state = { error: null, rates: NO_RATES };
  #ratesAskedAt = null;

  // The rates of many names are large, so they come after the first look.
  #isTimeForRates() {
    return this.state.stats && performance.now() - (this.#ratesAskedAt ?? -Infinity) >= RATES_EVERY;
  }

  async load() {
    const calls = [
      ["stats"],
      ["workers"],
      ["list_tasks", { status: "started", limit: RUNNING_SHOWN }],
    ];
    const asksForRates = this.#isTimeForRates();
    if (asksForRates) calls.push(["rates"]);
    const [stats, workers, running, rates] = await batch(calls);
    const found = {
      stats: orThrow(stats),
      workers: orThrow(workers),
      running: orThrow(running).tasks,
    };
    if (asksForRates) {
      this.#ratesAskedAt = performance.now();
      found.rates = orNothing(rates);
    } else if (this.#ratesAskedAt === null) this.soon();
    return found;
  }

  render(_, { stats, workers, running, rates, error }) {
    if (!stats) return html`<${Trouble} error=${error} nothing />`;
    const names = Object.entries(stats.names);
    return html`
      <h1 class="hidden">Overview</h1>
      <${Trouble} error=${error} />
      <section class="tiles" aria-label="All tasks">
        ${TILES.map((state) => html`<${Tile} state=${state} names=${names} />`)}
        ${rates && html`<${Charts} rates=${rates} />`}
      </section>
      ${names.length
        ? html`<${NamesTable} names=${stats.names} rates=${rates} changed=${() => this.ask()} />`
        : html`<${NoTasks} />`}
      <${WorkersTable} workers=${workers} running=${running} changed=${() => this.ask()} />
      <p class="about">
        jsonrpc-qm ${shown(stats.manager.version)}, up ${duration(stats.manager.uptime)}, ${" "}
        ${numberOf(workers)}, ${shown(stats.manager.storage)}
      </p>
    `;
  }
}

function Tile({ state, names }) {
  const total = names.reduce((sum, [, counts]) => sum + Number(counts[state]), 0);
  const address = to(["tasks"], { status: state === "scheduled" ? "queued" : state });
  return html`<a class=${`tile ${state} ${total ? "" : "zero"}`} href=${address}>
    <strong>${count(total)}</strong><span>${state}</span>
  </a>`;
}

function Charts({ rates }) {
  return ["queued", "finished"].map(
    (what) => html`<${Chart} what=${what} rates=${rates} numbers=${summed(rates.names, what)} />`,
  );
}

function Chart({ what, rates, numbers }) {
  const seconds = numbers.length * rates.interval;
  return html`<figure class="chart">
    <figcaption>
      <strong>${rate(recently(numbers, rates.interval))}</strong><span>${what}/s</span>
    </figcaption>
    <${Sparkline}
      rates=${perSecond(numbers, rates.interval, CHART_STEPS)}
      what=${what}
      seconds=${seconds}
      kind=${what}
    />
  </figure>`;
}

// All names together; lists that begin later are shorter, and end together.
function summed(names, what) {
  const lists = Object.values(names).map((name) => name[what]);
  const length = Math.max(0, ...lists.map((list) => list.length));
  const sums = new Array(length).fill(0);
  for (const list of lists) {
    list.forEach((number, place) => {
      sums[length - list.length + place] += Number(number);
    });
  }
  return sums;
}
