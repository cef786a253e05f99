// Keys of the whole page, and the list of them.

import { html } from "./html.js";
import { go } from "./route.js";

export const KEYS = [
  ["/", "search the tasks"],
  ["j, k", "down, up in a table"],
  ["Enter", "open what has the focus"],
  ["x", "select the task"],
  ["o, t, n", "overview, tasks, queue a new task"],
  ["?", "this list"],
];

const ADDRESSES = { o: "#/", t: "#/tasks", n: "#/queue" };

function isTyping(element) {
  return element.closest?.("input:not([type=checkbox]), textarea, select, dialog[open]");
}

function move(by) {
  const links = [...document.querySelectorAll("main tbody th a")];
  const row = document.activeElement.closest("tr");
  const place = links.findIndex((link) => row?.contains(link));
  links[place < 0 ? 0 : Math.min(links.length - 1, Math.max(0, place + by))]?.focus();
}

let isSearching = false;

// Whether the search field is to have the focus when it is there; asked once.
export function takeSearch() {
  const was = isSearching;
  isSearching = false;
  return was;
}

function search() {
  const field = document.querySelector("[data-hotkey='/']");
  if (field) field.focus();
  else {
    isSearching = true;
    go("#/tasks");
  }
}

export function listen(help) {
  const actions = {
    "/": search,
    "?": help,
    j: () => move(1),
    k: () => move(-1),
    x: () => document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const act = actions[event.key] ?? (ADDRESSES[event.key] && (() => go(ADDRESSES[event.key])));
    if (!act) return;
    event.preventDefault();
    act();
  });
}

export function KeyList() {
  return html`<dl class="keys">
    ${KEYS.map(
      ([key, what]) => html`<div key=${key}>
        <dt><kbd>${key}</kbd></dt>
        <dd>${what}</dd>
      </div>`,
    )}
  </dl>`;
}
