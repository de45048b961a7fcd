import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

/** In a process of its own: the loader of the tests knows nothing of Node's hooks. */
const program = `
import { registerHooks } from "node:module";
const urls = [];
registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
const { skipGeneratedClasses } = await import(${JSON.stringify(join(import.meta.dirname, "client-node.ts"))});
skipGeneratedClasses();
const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
const config = new KubeConfig();
config.loadFromOptions({
  clusters: [{ name: "c", server: "https://127.0.0.1:6443" }],
  users: [{ name: "u", token: "t" }],
  contexts: [{ name: "x", cluster: "c", user: "u" }],
  currentContext: "x",
});
const options = { headers: {} };
await config.applyToHTTPSOptions(options);
console.log(JSON.stringify({ headers: options.headers, generated: urls.filter((url) => url.includes("/gen/models/")) }));
`;

test("a kubeconfig is read and authenticates without the generated API classes", () => {
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" });
  expect(JSON.parse(output)).toEqual({ headers: { Authorization: "Bearer t" }, generated: [] });
});
