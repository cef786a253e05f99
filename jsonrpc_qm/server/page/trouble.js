// Why a view shows nothing yet, or nothing new.

import { html } from "./html.js";
import { sentence } from "./text.js";

export function Trouble({ error, nothing = false }) {
  if (!error) return null;
  const said = nothing ? sentence(error.message) : `Out of date: ${error.message}`;
  return html`<p class="trouble" role="alert">${said}.</p>`;
}
