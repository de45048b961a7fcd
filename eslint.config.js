import tseslint from "typescript-eslint";

/** Each folder and the folders it may import. Read it as the architecture (docs/architecture.md); the linter does. */
const mayImport = {
  crds: [],
  domain: ["crds"],
  runtime: ["crds"],
  kube: ["crds", "runtime"],
  cloud: ["domain", "runtime"],
  controllers: ["crds", "domain", "runtime"],
  webhook: ["crds", "domain", "runtime"],
  agent: ["crds", "domain", "runtime"],
  // The sandbox plays the cluster; it shares the transport seam and the clock, never the adapters it is tested through.
  sandbox: ["crds", "domain", "runtime"],
  // A comparison of listings: what it finds, it says; it changes nothing.
  audit: ["crds", "domain"],
  cmd: ["crds", "domain", "runtime", "kube", "cloud", "controllers", "webhook", "agent", "sandbox", "audit"],
};
const folders = [...Object.keys(mayImport), "test", "e2e", "hack"];
const pure = {
  regex: "^node:|^undici$|/(runtime|kube|cloud)/",
  message: "A decision takes values and returns values; put I/O in the reconciler.",
};
const sibling = {
  regex: "^\\.\\./[^.]",
  message: "Controllers meet only in the API server; share decisions through domain/.",
};

const layer = (folder, allowed) => {
  const banned = folders.filter((other) => other !== folder && !allowed.includes(other));
  return [
    {
      regex: `^(\\.\\./)+(${banned.join("|")})/`,
      message: `${folder}/ may import only: ${allowed.join(", ") || "nothing"}.`,
    },
  ];
};
const restrict = (files, patterns) => ({
  files,
  ignores: ["**/*.test.ts"],
  rules: { "no-restricted-imports": ["error", { patterns }] },
});
const decisions = ["domain/**/*.ts", "audit/**/*.ts", "controllers/*/{state,plan}.ts", "webhook/*/decide.ts"];
const wallClock = "Time and randomness are parameters of a decision (nowMs, pick).";

export default tseslint.config(
  { ignores: ["node_modules/", "**/*.gen.ts"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // Leaving a member out by naming it beside a rest is the plain way to copy an object without it.
      "@typescript-eslint/no-unused-vars": ["error", { ignoreRestSiblings: true }],
      // The compiler takes the first of two equal cases, and says nothing of the other.
      "no-duplicate-case": "error",
      // A switch over a closed union is one decision, however many members the union has.
      complexity: ["error", { max: 10, variant: "modified" }],
      "no-restricted-properties": [
        "error",
        {
          object: "jest",
          property: "mock",
          message: "No mocks: small ports take object literals, larger fakes live in sandbox/.",
        },
      ],
    },
  },
  Object.entries(mayImport).map(([folder, allowed]) => restrict([`${folder}/**/*.ts`], layer(folder, allowed))),
  restrict(["controllers/*/*.ts"], [...layer("controllers", mayImport.controllers), sibling]),
  restrict(["domain/**/*.ts"], [...layer("domain", mayImport.domain), pure]),
  restrict(["audit/**/*.ts"], [...layer("audit", mayImport.audit), pure]),
  restrict(["controllers/*/{state,plan}.ts"], [...layer("controllers", mayImport.controllers), sibling, pure]),
  restrict(["webhook/*/decide.ts"], [...layer("webhook", mayImport.webhook), sibling, pure]),
  {
    files: decisions,
    ignores: ["**/*.test.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        { name: "setTimeout", message: wallClock },
        { name: "setInterval", message: wallClock },
      ],
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: wallClock },
        { object: "Math", property: "random", message: wallClock },
      ],
    },
  },
  {
    files: ["**/*.test.ts", "test/**/*.ts", "e2e/**/*.ts"],
    rules: { complexity: "off", "@typescript-eslint/no-non-null-assertion": "off" },
  },
);
