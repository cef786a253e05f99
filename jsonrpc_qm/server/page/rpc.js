// Calls of the manager's JSON-RPC methods.

import * as json from "./json.js";
import { shown } from "./text.js";
import { heard } from "./time.js";

const TASK_NOT_FOUND = -32001;
const FORBIDDEN = -32007;

// The manager refused.
export class Refused extends Error {
  constructor({ code, message, data }) {
    const where = data?.param ? `${data.param}: ` : "";
    super(data?.reason ? `${where}${data.reason}` : code === FORBIDDEN ? beyond(data) : message);
    this.code = code;
    this.data = data;
    this.isUnknownTask = code === TASK_NOT_FOUND;
  }
}

function beyond({ method, name }) {
  return `your token does not allow ${method}${name ? ` for ${shown(name)}` : ""}`;
}

// Nobody answers, or something that is no manager.
export class Away extends Error {}

// The manager wants to know who asks.
export class SignInNeeded extends Error {
  constructor() {
    super("sign in first");
  }
}

// Called after each call with whether the manager has answered it.
let onCalled = () => {};
export function whenCalled(callback) {
  onCalled = callback;
}

// Called when an answer was 401.
let onStranger = () => {};
export function whenStranger(callback) {
  onStranger = callback;
}

async function post(path, body) {
  try {
    return await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Away("the manager does not answer");
  }
}

async function send(body) {
  try {
    const answer = await answerTo(body);
    onCalled(true);
    return answer;
  } catch (error) {
    onCalled(!(error instanceof Away));
    throw error;
  }
}

async function answerTo(body) {
  const response = await post("rpc", body);
  heard(response.headers.get("Date"));
  if (response.status === 401) {
    onStranger();
    throw new SignInNeeded();
  }
  const said = `the manager answers with HTTP ${response.status}`;
  if (response.status >= 500) throw new Away(said);
  if (!response.ok) throw new Error(said);
  try {
    return json.parse(await response.text());
  } catch {
    throw new Away("what answers is no manager");
  }
}

function request(id, method, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== "");
  return { jsonrpc: "2.0", id, method, params: Object.fromEntries(given) };
}

// The result of one method. Params that are undefined or "" are left out.
export async function call(method, params) {
  const answer = await send(request(1, method, params));
  if (answer.error) throw new Refused(answer.error);
  return answer.result;
}

// The results of several, given as [method, params], in one request. One that is refused is a
// Refused in its place.
export async function batch(calls) {
  const answers = await send(calls.map(([method, params], id) => request(id, method, params)));
  if (!Array.isArray(answers)) throw new Refused(answers.error);
  const byId = new Map(answers.map((answer) => [answer.id, answer]));
  return calls.map((_, id) => {
    const answer = byId.get(id);
    return answer.error ? new Refused(answer.error) : answer.result;
  });
}

// A result that the page can do without, if the manager refuses it.
export function orNothing(result) {
  return result instanceof Refused ? null : result;
}

// The same for results that it can't do without.
export function orThrow(result) {
  if (result instanceof Refused) throw result;
  return result;
}

// Exchange a token for a cookie, and what it allows; null when the manager does not know it.
export async function signIn(token) {
  const response = await post("sign-in", { token });
  if (response.ok) return response.json();
  if (response.status === 401) return null;
  throw new Away(`the manager answers with HTTP ${response.status}`);
}

export async function signOut() {
  await post("sign-out", {});
}
