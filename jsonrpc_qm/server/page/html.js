// What views are written with: html`<p>${text}</p>`. Whatever is put in is text or an attribute's
// value, never markup.

import * as preact from "./vendor/preact-11.2.0.mjs";
import htm from "./vendor/htm-3.1.1.mjs";

export const html = htm.bind(preact.h);
export const Component = preact.Component;
export const createRef = preact.createRef;
export const render = preact.render;
