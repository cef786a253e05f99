// check.mjs DOCUMENT: validates an OpenRPC document, then sends its examples to the server it names.
// Prints what came of it as JSON. To be run where the packages of package.json are installed.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { parseOpenRPCDocument, validateOpenRPCDocument } = require("@open-rpc/schema-utils-js");
const cover = require("@open-rpc/test-coverage").default;
const ExamplesRule = require("@open-rpc/test-coverage/build/rules/examples-rule").default;

/** Sends each example with the token that its task was claimed with, as the links of `claim` say. */
class ExamplesWithTokens extends ExamplesRule {
  tokens = new Map();

  getCalls(document, method) {
    const names = method.params.map(({ name }) => name);
    return super.getCalls(document, method).map((call) => ({ ...call, names }));
  }

  beforeRequest(_, call) {
    const [id, token] = [call.names.indexOf("id"), call.names.indexOf("token")];
    call.params = call.params.map((value, place) =>
      place === token ? this.tokens.get(call.params[id]) : this.filled(value),
    );
  }

  filled(value) {
    if (!Array.isArray(value)) return value;
    return value.map((member) =>
      member.token ? { ...member, token: this.tokens.get(member.id) } : member,
    );
  }

  afterResponse(_, { result }) {
    const tasks = result?.tasks ?? result;
    if (!Array.isArray(tasks)) return;
    for (const { id, token } of tasks) if (token) this.tokens.set(id, token);
  }
}

const document = JSON.parse(readFileSync(process.argv[2], "utf8"));
const validated = validateOpenRPCDocument(document);
const calls = await cover({
  openrpcDocument: await parseOpenRPCDocument(document),
  rules: [new ExamplesWithTokens()],
  reporters: ["empty"],
  transport: "http",
});
const outcomes = calls.map(({ methodName, valid, reason, params, result }) => ({
  methodName, valid, reason, params, result,
}));
console.log(JSON.stringify({ validated: validated === true || validated.message, outcomes }));
