// A small line of how many per second, over time.

import { html } from "./html.js";
import { rate } from "./text.js";
import { duration } from "./time.js";

const WIDTH = 120;
const HEIGHT = 24;

// Numbers per step as numbers per second, in at most `most` steps.
export function perSecond(numbers, interval, most) {
  const size = Math.ceil(numbers.length / most) || 1;
  const rates = [];
  // From the end, so that the newest step is a whole one.
  for (let end = numbers.length; end > 0; end -= size) {
    const group = numbers.slice(Math.max(0, end - size), end);
    const total = group.reduce((sum, number) => sum + Number(number), 0);
    rates.unshift(total / (group.length * interval));
  }
  return rates;
}

// The rate over the last steps.
export function recently(numbers, interval, steps = 3) {
  return perSecond(numbers.slice(-steps), interval, 1)[0] ?? 0;
}

function points(rates, most) {
  const step = WIDTH / Math.max(1, rates.length - 1);
  return rates.map((value, place) => {
    const height = HEIGHT - 1.5 - (value / most) * (HEIGHT - 3);
    return `${(place * step).toFixed(1)},${height.toFixed(1)}`;
  });
}

// `what` is said to who can't see it; `seconds` is how long the line lasts.
export function Sparkline({ rates, what, seconds, kind, most = Math.max(...rates, 0) }) {
  const highest = Math.max(...rates, 0);
  const said = `${what} per second over the last ${duration(seconds)}: at most ${rate(highest)}`;
  const line = points(rates, most || 1);
  return html`<svg
    class=${`sparkline ${kind}`}
    viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}
    preserveAspectRatio="none"
    role="img"
    aria-label=${said}
  >
    <title>${said}</title>
    ${line.length > 1 &&
    html`<polygon points=${`0,${HEIGHT} ${line.join(" ")} ${WIDTH},${HEIGHT}`} />
      <polyline points=${line.join(" ")} />`}
  </svg>`;
}
