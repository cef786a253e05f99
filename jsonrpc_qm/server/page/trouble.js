// Why a view shows nothing, or nothing new.

import { html } from "./html.js";

export function Trouble({ error }) {
  if (!error) return null;
  return html`<p class="trouble" role="alert">Out of date: ${error.message}.</p>`;
}
