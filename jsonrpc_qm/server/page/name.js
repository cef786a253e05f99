// A name in a table, and what stands beside it. A long one has two lines, but on a phone, and is
// shown whole to who points at it.

import { html } from "./html.js";
import { shown } from "./text.js";

export function Name({ name, address, children }) {
  const said = shown(name);
  return html`<span class="named">
    ${address
      ? html`<a class="two-lines" href=${address} title=${said}>${said}</a>`
      : html`<span class="two-lines" title=${said}>${said}</span>`}
    ${children}
  </span>`;
}
