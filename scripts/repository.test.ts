// The rules of this repository. First each one on small examples, to show that it can fail; then on the repository.
import { describe, expect, test } from "vitest";
import {
  MAX_FILE_LINES,
  MAX_FUNCTION_LINES,
  noDefaultExports,
  noLongFiles,
  noLongFunctions,
  noTestLeftOut,
  zodIsANamespace,
} from "./rules/form.ts";
import { importDirections, noImportCycles } from "./rules/imports.ts";
import { indexOnlyInPackages, namesAreKebabCase, versionsAreInTheCatalog } from "./rules/layout.ts";
import { nothingOfTheMachine } from "./rules/leaks.ts";
import { notesAreExplained } from "./rules/notes.ts";
import { coreIsPure } from "./rules/purity.ts";
import { repositoryFiles } from "./rules/repository-files.ts";
import { policyNumbersAreSettings } from "./rules/settings.ts";
import { type RepoFile, type Rule, type Violation } from "./rules/source.ts";

type Example = Readonly<{
  files: Readonly<Record<string, string>>;
  /** What the rule says, as "path:line: problem". None: this is how it should be. */
  finds: readonly string[];
}>;

function say(violations: readonly Violation[]): string[] {
  return violations.map(({ path, line, problem }) => `${path}:${line}: ${problem}`).sort();
}

/** Tries a rule on examples named by what is right or wrong about them. */
function examples(rule: Rule, rows: Readonly<Record<string, Example>>): void {
  test.for(Object.entries(rows))("%s", ([, { files, finds }]) => {
    const given = Object.entries(files).map(([path, text]): RepoFile => ({ path, text }));
    expect(say(rule(given))).toEqual(finds);
  });
}

/** One file, the rule's word on each line of it in `finds`. */
function oneFile(path: string, text: string, ...finds: readonly string[]): Example {
  return { files: { [path]: text }, finds: finds.map((find) => `${path}:${find}`) };
}

const repository = repositoryFiles();

/** Examples, then the repository itself. */
function rule(name: string, judge: Rule, rows: Readonly<Record<string, Example>>): void {
  describe(name, () => {
    examples(judge, rows);
    // The first of them parses every file, which takes seconds where many tests run at once.
    test("in this repository", { timeout: 60_000 }, () => {
      expect(say(judge(repository))).toEqual([]);
    });
  });
}

test("the repository is looked at: its packages, apps, tests and scripts are among the files", () => {
  expect(repository.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      "package.json",
      "packages/core/src/index.ts",
      "apps/agent/src/main.ts",
      "apps/monitor/src/main.ts",
      "test-e2e/package.json",
      "scripts/repository.test.ts",
    ]),
  );
});

/** The manifests of a small repository. */
const MANIFESTS = {
  "package.json": '{ "devDependencies": { "vitest": "catalog:" } }',
  "packages/core/package.json": '{ "dependencies": { "@selfscale/protocol": "workspace:*" } }',
  "packages/protocol/package.json": '{ "dependencies": { "zod": "catalog:" } }',
  "packages/qmp/package.json": '{ "dependencies": { "zod": "catalog:" } }',
  "apps/agent/package.json":
    '{ "dependencies": { "ws": "catalog:", "@selfscale/qmp": "workspace:*" } }',
  "apps/monitor/package.json": '{ "dependencies": { "ws": "catalog:" } }',
  "test-e2e/package.json": '{ "dependencies": { "@selfscale/core": "workspace:*" } }',
};

function importing(path: string, code: string, ...finds: readonly string[]): Example {
  return {
    files: { ...MANIFESTS, [path]: code },
    finds: finds.map((find) => `${path}:${find}`),
  };
}

rule("who may import whom", importDirections, {
  "protocol takes zod, a part of it too": importing(
    "packages/protocol/src/a.ts",
    'import * as z from "zod/mini";',
  ),
  "protocol takes nothing else": importing(
    "packages/protocol/src/a.ts",
    'import ws from "ws";\nimport fs from "node:fs";\nexport * from "@selfscale/core";',
    "1: packages/protocol/ may not import ws",
    "2: packages/protocol/ may not import node:fs",
    "3: packages/protocol/ may not import @selfscale/core",
  ),
  "core takes protocol": importing(
    "packages/core/src/a.ts",
    'import { type Size } from "@selfscale/protocol";',
  ),
  "core takes no zod, no node, no qmp, in whatever way it is written": importing(
    "packages/core/src/a.ts",
    [
      'import type { Z } from "zod";',
      'const fs = await import("node:fs");',
      'type Q = import("@selfscale/qmp").QmpClient;',
      'const os = require("os");',
    ].join("\n"),
    "1: packages/core/ may not import zod",
    "2: packages/core/ may not import node:fs",
    "3: packages/core/ may not import @selfscale/qmp",
    "4: packages/core/ may not import os",
  ),
  "a test of core reads files": importing(
    "packages/core/src/a.test.ts",
    'import { readFileSync } from "node:fs";\nimport { test } from "vitest";',
  ),
  "a test of core does not reach for an app or qmp either": importing(
    "packages/core/src/a.test.ts",
    'import "@selfscale/qmp";\nimport "../../../apps/agent/src/main.ts";',
    "1: packages/core/ may not import @selfscale/qmp",
    "2: leaves packages/core/ for apps/agent/src/main.ts",
  ),
  "qmp knows no autoscaling": importing(
    "packages/qmp/src/a.ts",
    'import net from "node:net";\nimport "@selfscale/protocol";',
    "2: packages/qmp/ may not import @selfscale/protocol",
  ),
  "the agent takes qmp": importing("apps/agent/src/a.ts", 'import "@selfscale/qmp";'),
  "the monitor takes no qmp": importing(
    "apps/monitor/src/a.ts",
    'import "@selfscale/qmp";',
    "1: apps/monitor/ may not import @selfscale/qmp",
  ),
  "no app imports another": importing(
    "apps/monitor/src/a.ts",
    'import "../../agent/src/main.ts";',
    "1: leaves apps/monitor/ for apps/agent/src/main.ts",
  ),
  "an app does not reach into a package": importing(
    "apps/agent/src/a.ts",
    'import "@selfscale/qmp/src/wire.ts";',
    "1: reaches into @selfscale/qmp: import what its index.ts exports",
  ),
  "what an app imports, its package.json declares": importing(
    "apps/agent/src/a.ts",
    'import "ws";\nimport "pino";\nimport "@selfscale/core";',
    "2: pino is not declared in apps/agent/package.json",
    "3: @selfscale/core is not declared in apps/agent/package.json",
  ),
  "the tools of tests are for tests": importing(
    "apps/agent/src/a.ts",
    'import "vitest";',
    "1: vitest is not declared in apps/agent/package.json",
  ),
  "e2e takes packages, tools, and no source of an app": importing(
    "test-e2e/harness/a.ts",
    'import "@selfscale/core";\nimport "vitest";\nimport "../../apps/agent/src/main.ts";',
    "3: leaves test-e2e/ for apps/agent/src/main.ts",
  ),
  "what is for tests stays with tests": {
    files: {
      ...MANIFESTS,
      "apps/agent/src/testing/fake.ts": "",
      "apps/agent/src/a.ts": 'import "./testing/fake.ts";',
      "apps/agent/src/a.test.ts": 'import "./testing/fake.ts";',
    },
    finds: ["apps/agent/src/a.ts:1: apps/agent/src/testing/fake.ts is for tests only"],
  },
  "a relative import names a file, with its extension": {
    files: {
      ...MANIFESTS,
      "apps/agent/src/a.ts": 'import "./b.ts";\nimport "./b";',
      "apps/agent/src/b.ts": "",
    },
    finds: ["apps/agent/src/a.ts:2: there is no file apps/agent/src/b"],
  },
  "node's modules are called by their full names": importing(
    "apps/agent/src/a.ts",
    'import fs from "fs";',
    "1: write node:fs",
  ),
  "a computed name is nobody's": importing(
    "apps/agent/src/a.ts",
    "void import(name);",
    "1: imports a computed name: nobody can tell what",
  ),
  "a new folder needs a decision": importing(
    "packages/new/src/a.ts",
    "",
    "1: its folder has no line in scripts/rules/imports.ts",
  ),
});

rule("no import cycles", noImportCycles, {
  "a tree": {
    files: {
      "x/a.ts": 'import "./b.ts"; import "./c.ts";',
      "x/b.ts": 'import "./c.ts";',
      "x/c.ts": "",
    },
    finds: [],
  },
  "two files": {
    files: { "x/a.ts": 'import "./b.ts";', "x/b.ts": 'export * from "./a.ts";' },
    finds: ["x/a.ts:1: imports itself: x/a.ts → x/b.ts → x/a.ts"],
  },
  "types count, and so do longer ways": {
    files: {
      "x/a.ts": 'import { type B } from "./y/b.ts";',
      "x/y/b.ts": 'import type { C } from "../c.ts";',
      "x/c.ts": 'import "./a.ts";',
    },
    finds: ["x/a.ts:1: imports itself: x/a.ts → x/y/b.ts → x/c.ts → x/a.ts"],
  },
  "a file that imports itself": {
    files: { "x/a.ts": 'import "./a.ts";' },
    finds: ["x/a.ts:1: imports itself: x/a.ts → x/a.ts"],
  },
});

const IN_CORE = "packages/core/src/a.ts";

rule("core is pure", coreIsPure, {
  "names of fields are only names": oneFile(
    IN_CORE,
    [
      "type Facts = Readonly<{ process: string; performance: number }>;",
      "const say = (facts: Facts) => facts.process + facts.performance;",
      "const { process: pid } = { process: 1, console: 2 };",
      "const most = Math.max(1, pid); // new Date()",
      'const text = "setTimeout";',
    ].join("\n"),
  ),
  "no clock": oneFile(
    IN_CORE,
    "const a = Date.now();\nconst b = performance.now();\ntype C = Date;",
    "1: Date is not pure",
    "2: performance is not pure",
    "3: Date is not pure",
  ),
  "no chance": oneFile(
    IN_CORE,
    'const a = Math.random();\nconst { random } = Math;\nconst b = Math["random"]();',
    "1: Math.random is not pure",
    "2: Math, otherwise than as Math.something",
    "3: Math, otherwise than as Math.something",
  ),
  "no waiting": oneFile(
    IN_CORE,
    [
      "async function a() {",
      "  await 1;",
      "  for await (const x of []) x;",
      "}",
      "const b = async () => 1;",
      "const c: Promise<void> = a();",
      "setTimeout(a, 1);",
      "const d = import('./b.ts');",
    ].join("\n"),
    "1: async: core waits for nothing",
    "2: await: core waits for nothing",
    "3: for await: core waits for nothing",
    "5: async: core waits for nothing",
    "6: Promise is not pure",
    "7: setTimeout is not pure",
    "8: import(): core waits for nothing",
  ),
  "no world, by whatever way": oneFile(
    IN_CORE,
    [
      "console.log(process.env);",
      'const a = globalThis["Da" + "te"];',
      "const b = { fetch };",
      "const c = import.meta.url;",
    ].join("\n"),
    "1: console is not pure",
    "1: process is not pure",
    "2: globalThis is not pure",
    "3: fetch is not pure",
    "4: import.meta: core does not know where it is",
  ),
  "no memory": oneFile(
    IN_CORE,
    "let count = 0;\nexport function next() {\n  let own = 1;\n  return own + count;\n}",
    "1: a variable of the module: core remembers nothing",
  ),
  "tests of core may look at the world": oneFile("packages/core/src/a.test.ts", "process.env;"),
  "what tests use too": oneFile("packages/core/src/x/testing/a.ts", "process.env;"),
  "other packages too": oneFile("packages/qmp/src/a.ts", "setTimeout(() => {}, 1);"),
});

const POLICY = "packages/core/src/policy";

rule("the policy's numbers are settings", policyNumbersAreSettings, {
  "settings, units, and what is none and says so": {
    files: {
      [`${POLICY}/presets.ts`]: "export const HOLD_MS = 4_000;",
      [`${POLICY}/postgres/config.ts`]: "export const WAIT_MS = 30_000;",
      [`${POLICY}/hold.test.ts`]: "const x = 3;",
      [`${POLICY}/hold.ts`]:
        "const MIB = 1024 * 1024;\n/** Not a setting: a page. */\nconst PAGE = 4096;\nconst half = (x: number) => x / 2;",
      "packages/core/src/agent/vm.ts": "const DEADLINE_MS = 30_000;",
    },
    finds: [],
  },
  "a constant without a word, and a number within": oneFile(
    `${POLICY}/hold.ts`,
    "/** How long. */\nconst HOLD_MS = 4_000;\nconst f = (x: number) => x > 0.75;",
    '2: 4_000 is no setting: move it to policy/config.ts, or say why: "Not a setting: …"',
    '3: 0.75 is no setting: move it to policy/config.ts, or say why: "Not a setting: …"',
  ),
});

rule("no default exports", noDefaultExports, {
  "every way to write one": {
    files: {
      "a.ts": "export default 1;",
      "b.ts": "export default function b() {}",
      "c.ts": "const c = 1;\nexport { c as default };",
      "d.ts": 'export { default } from "./a.ts";',
    },
    finds: ["a.ts:1", "b.ts:1", "c.ts:2", "d.ts:1"].map((at) => `${at}: a default export: name it`),
  },
  "named ones, and a switch": oneFile("a.ts", "export const a = 1; switch (a) { default: }"),
  "a tool's configuration": oneFile("vitest.config.ts", "export default {};"),
  "but not in a folder": oneFile(
    "x/y.config.ts",
    "export default {};",
    "1: a default export: name it",
  ),
});

rule("zod is a namespace", zodIsANamespace, {
  "as a namespace, or by type": oneFile(
    "a.ts",
    'import * as z from "zod";\nimport { ZodError } from "zod";',
  ),
  "never as an object": oneFile(
    "a.ts",
    'import { z } from "zod";\nimport { z as y } from "zod/mini";\nimport z from "zod";',
    ...[1, 2, 3].map((line) => `${line}: write import * as z from "zod"`),
  ),
});

// Put together here, so that this file does not look as if one of its own tests were left out.
const leftOut = (...words: readonly string[]) => words.join(".");

rule("no test is left out", noTestLeftOut, {
  "every way to do it": oneFile(
    "a.test.ts",
    [
      `${leftOut("test", "only")}("a", () => {});`,
      `${leftOut("describe", "skip")}("b", () => {});`,
      `${leftOut("it", "todo")}("c");`,
      `${leftOut("test.concurrent", "only")}.for([1])("d", () => {});`,
      'test("e", { skip: true }, () => {});',
    ].join("\n"),
    "1: test.only: every test runs",
    "2: describe.skip: every test runs",
    "3: it.todo: every test runs",
    "4: test.concurrent.only: every test runs",
    "5: { skip: true }: every test runs",
  ),
  "fields of other things": oneFile(
    "a.test.ts",
    'test.for(rows)("a", { timeout: 1 }, ({ only }) => values.only + list.skip(1) + only);',
  ),
});

const statements = (count: number) => "  f();\n".repeat(count);

rule("no long files", noLongFiles, {
  "as long as it may be": oneFile("a.ts", "f();\n".repeat(MAX_FILE_LINES)),
  "one line more": oneFile(
    "a.ts",
    "f();\n".repeat(MAX_FILE_LINES + 1),
    "401: 401 lines, at most 400",
  ),
  "a test is as long as its tables": oneFile("a.test.ts", "f();\n".repeat(MAX_FILE_LINES + 1)),
});

rule("no long functions", noLongFunctions, {
  "as long as it may be": oneFile("a.ts", `function a() {\n${statements(MAX_FUNCTION_LINES - 2)}}`),
  "one line more, in every form": {
    files: {
      "a.ts": `function a() {\n${statements(MAX_FUNCTION_LINES - 1)}}`,
      "b.ts": `const b = () => {\n${statements(MAX_FUNCTION_LINES - 1)}};`,
      "c.ts": `class C {\n  c() {\n${statements(MAX_FUNCTION_LINES - 1)}  }\n}`,
    },
    finds: ["a.ts:1", "b.ts:1", "c.ts:2"].map((at) => `${at}: a function of 61 lines, at most 60`),
  },
  "a test is as long as its tables": oneFile(
    "a.test.ts",
    `describe("a", () => {\n${statements(MAX_FUNCTION_LINES)}});`,
  ),
});

const NO_ISSUE = "a note without the number of its issue, as in TODO #12";

rule("notes are explained", notesAreExplained, {
  "a note names its issue": oneFile("a.ts", "// TODO #12: later\n/* FIXME(#3) */\nf();"),
  "comments of every kind": oneFile(
    "a.ts",
    "// TODO later\nf(/* FIXME */);\n/** XXX: doc */\nfunction a() {\n  // TODO before a brace\n}\n// TODO at the end",
    ...[1, 2, 3, 5, 7].map((line) => `${line}: ${NO_ISSUE}`),
  ),
  "only comments count": oneFile("a.ts", 'const TODO = "TODO"; f(`TODO ${TODO}`, /TODO/);'),
  "scripts and settings": oneFile("Makefile", "all: # TODO later\n\techo TODO", `1: ${NO_ISSUE}`),
  "prose may say what it likes": oneFile("README.md", "# TODO"),
  "a rule is switched off for a reason": oneFile(
    "a.ts",
    [
      "// eslint-disable-next-line no-x -- because",
      "f();",
      "// Because.",
      "// eslint-disable-next-line no-x",
      "f();",
      "// eslint-disable-next-line no-x",
      "f();",
    ].join("\n"),
    "6: eslint-disable without a reason: write it above, or behind --",
  ),
  "so is the compiler": oneFile(
    "a.ts",
    "// @ts-expect-error: not in the types\nf();\n// @ts-ignore: why\nf();\n// @ts-expect-error\nf();",
    "3: only @ts-expect-error is allowed, and with a reason",
    "5: only @ts-expect-error is allowed, and with a reason",
  ),
});

rule("index.ts only in packages", indexOnlyInPackages, {
  "a package's own": oneFile("packages/core/src/index.ts", ""),
  "not deeper, not in an app": {
    files: { "packages/core/src/agent/index.ts": "", "apps/agent/src/index.ts": "" },
    finds: [
      "apps/agent/src/index.ts:1: index.ts belongs into packages/*/src only",
      "packages/core/src/agent/index.ts:1: index.ts belongs into packages/*/src only",
    ],
  },
});

rule("files of code are named in kebab-case", namesAreKebabCase, {
  "as they should": {
    files: { "a/vm-loop.test.ts": "", "a/x.qemu.test.ts": "", "b.mjs": "" },
    finds: [],
  },
  "as they should not": {
    files: { "a/vmLoop.ts": "", "a/vm_loop.ts": "", "a/Vm.ts": "" },
    finds: ["a/Vm.ts", "a/vmLoop.ts", "a/vm_loop.ts"].map(
      (path) => `${path}:1: a file of code is named in kebab-case`,
    ),
  },
});

rule("versions are in the catalog", versionsAreInTheCatalog, {
  "from the catalog or from here": oneFile(
    "package.json",
    '{ "dependencies": { "ws": "catalog:", "@selfscale/core": "workspace:*" } }',
  ),
  "a version of its own": oneFile(
    "apps/agent/package.json",
    '{\n  "dependencies": {\n    "ws": "^8.18.0"\n  },\n  "devDependencies": { "tsx": "latest" }\n}',
    "3: ws is ^8.18.0, expected catalog: or workspace:*",
    "5: tsx is latest, expected catalog: or workspace:*",
  ),
});

// Put together here, so that this file does not break the rule itself.
const under = (...parts: readonly string[]) => ["", ...parts].join("/");
const host = (...parts: readonly string[]) => parts.join(".");

rule("nothing of the machine", nothingOfTheMachine, {
  "paths of somebody's machine": oneFile(
    "docs/a.md",
    [
      `cd ${under("work", "main")}`,
      `see ${under("root", ".config")}`,
      `HOME=${under("home", "ann", "x")}`,
      `"${under("Users", "ann")}"`,
      `>${under("tmp", "out.log")}`,
    ].join("\n"),
    `1: ${under("work", "m")} a path of one machine`,
    `2: ${under("root", ".")} a path of one machine`,
    `3: ${under("home", "ann", "x")} a path of one machine`,
    `4: ${under("Users", "a")} a path of one machine`,
    `5: ${under("tmp", "o")} a path of one machine`,
  ),
  "registries and mirrors": oneFile(
    "pnpm-workspace.yaml",
    [
      host("registry", "npmjs", "org"),
      `https:/${under(host("registry", "example"))}`,
      host("deb", "debian", "org"),
      host("registry", "npmmirror", "com"),
    ].join("\n"),
    `1: ${host("registry", "npmjs", "org")} names a package registry: which one is the machine's setting`,
    `2: :/${under(host("registry", ""))} names a package registry: which one is the machine's setting`,
    `3: ${host("deb", "debian", "org")} names a Debian mirror: which one is the machine's setting`,
    `4: ${host("npmmirror", "com")} names a package registry: which one is the machine's setting`,
    `4: ${host("registry", "npmmirror", "com")} names a package registry: which one is the machine's setting`,
  ),
  "paths that every machine has, and a registry of metrics": oneFile(
    "a.ts",
    `/sys/fs/cgroup /run/vm /proc/meminfo .${under("tmp")}/x src${under("work")}/x mount ${under("tmp")} HOME=${under("root")} registry.get(x).org`,
  ),
});
