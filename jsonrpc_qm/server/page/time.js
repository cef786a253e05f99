// Times as people read them: relative to now, by the manager's clock.

import { html } from "./html.js";

let offset = 0;

// Hear the time of day at the manager; a browser's clock may be wrong by hours.
export function heard(date) {
  const theirs = Date.parse(date);
  if (!Number.isNaN(theirs)) {
    const difference = theirs - Date.now();
    // The header counts whole seconds, so less than that is no difference.
    offset = Math.abs(difference) > 2000 ? difference : 0;
  }
}

// Milliseconds since 1970.
export function now() {
  return Date.now() + offset;
}

// A duration in its one or two largest units: 0s, 45s, 12m, 3h 5m, 7d.
export function duration(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  if (left < 60) return `${left}s`;
  if (left < 3600) return `${Math.floor(left / 60)}m`;
  if (left < 86400) {
    const minutes = Math.floor((left % 3600) / 60);
    return `${Math.floor(left / 3600)}h${minutes ? ` ${minutes}m` : ""}`;
  }
  return `${Math.floor(left / 86400)}d`;
}

// The same for what is over in moments, too: 12ms, 1.5s.
export function exactly(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  return seconds < 60 ? `${Math.round(seconds * 10) / 10}s` : duration(seconds);
}

// Seconds from one time to another.
export function between(early, late) {
  return (Date.parse(late) - Date.parse(early)) / 1000;
}

// How long ago, or how long still.
export function relative(time) {
  const seconds = (now() - Date.parse(time)) / 1000;
  return seconds >= 0 ? `${duration(seconds)} ago` : `in ${duration(Math.ceil(-seconds))}`;
}

const two = (number) => String(number).padStart(2, "0");

// 2026-11-24 08:00:00 UTC+01:00, in the browser's time zone.
export function absolute(time) {
  const date = new Date(time);
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${day} ${clock} ${zone(-date.getTimezoneOffset())}`;
}

function zone(minutes) {
  if (!minutes) return "UTC";
  const ahead = Math.abs(minutes);
  return `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`;
}

// A moment, relative, with the time itself for who points at it, or for all.
export function Moment({ time, whole = false }) {
  if (!time) return html`<span class="none">–</span>`;
  const title = `${absolute(time)} (${time})`;
  return html`<time datetime=${time} title=${title}>
    ${relative(time)}${whole && html` <span class="whole">${absolute(time)}</span>`}
  </time>`;
}
