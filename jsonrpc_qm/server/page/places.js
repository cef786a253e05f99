// The places of the page, and whose tokens show them.

import { isFor } from "./sign-in.js";

const PLACES = [
  { name: "", title: "Overview", address: "#/", roles: ["operator"] },
  { name: "tasks", title: "Tasks", address: "#/tasks", roles: ["operator"] },
  { name: "queue", title: "Queue a task", address: "#/queue", roles: ["producer"] },
];

// Those that this browser's token opens.
export function openPlaces() {
  return PLACES.filter(({ roles }) => isFor(...roles));
}

// Whether it opens this one; a single task is looked up by whoever knows its id.
export function isOpen([name = "", id]) {
  return id !== undefined || !PLACES.some((place) => place.name === name && !isFor(...place.roles));
}
