// Who may import whom (docs: ARCHITECTURE.md): protocol ← {core, referee} ← {monitor, agent, lab}; core ← {simulator, evaluation} ← lab; qmp ← agent; no app imports another.
import { isBuiltin } from "node:module";
import { importGraph, importsOf, targetOf, type Import } from "./import-list.ts";
import { isCode, isTest, violationAt, type RepoFile, type Rule, type Violation } from "./source.ts";

type Zone = Readonly<{
  /** Folder with a package.json; "" is the repository itself. */
  root: string;
  /** Packages of this repository that its code may import. */
  ours: readonly string[];
  /** Packages of others; null: whatever its package.json declares. */
  others: readonly string[] | null;
  /** Whether it may use Node's own modules. */
  builtins: boolean;
}>;

const [PROTOCOL, CORE, QMP, REFEREE, RECORDING, SIMULATOR, EVALUATION] = [
  "@selfscale/protocol",
  "@selfscale/core",
  "@selfscale/qmp",
  "@selfscale/referee",
  "@selfscale/recording",
  "@selfscale/simulator",
  "@selfscale/evaluation",
] as const;

/** Ours too, but for tests only. */
const FOR_TESTS: readonly string[] = ["@selfscale/test-certificates"];

/** A new folder needs a line here: what it may import is a decision. The first that fits counts. */
const ZONES: readonly Zone[] = [
  { root: "packages/protocol/", ours: [], others: ["zod"], builtins: false },
  { root: "packages/core/", ours: [PROTOCOL], others: [], builtins: false },
  { root: "packages/referee/", ours: [PROTOCOL], others: [], builtins: false },
  { root: "packages/simulator/", ours: [PROTOCOL, CORE], others: [], builtins: false },
  { root: "packages/evaluation/", ours: [PROTOCOL, CORE], others: [], builtins: false },
  { root: "packages/test-certificates/", ours: [], others: null, builtins: true },
  { root: "packages/qmp/", ours: [], others: ["zod"], builtins: true },
  { root: "packages/recording/", ours: [PROTOCOL], others: [], builtins: true },
  { root: "apps/monitor/", ours: [PROTOCOL, CORE, RECORDING], others: null, builtins: true },
  { root: "apps/agent/", ours: [PROTOCOL, CORE, QMP, RECORDING], others: null, builtins: true },
  {
    root: "apps/lab/",
    ours: [PROTOCOL, CORE, REFEREE, RECORDING, SIMULATOR, EVALUATION],
    others: null,
    builtins: true,
  },
  {
    root: "test-e2e/",
    ours: [PROTOCOL, CORE, QMP, REFEREE, RECORDING, SIMULATOR, EVALUATION],
    others: null,
    builtins: true,
  },
];
/** Scripts and configuration files of the repository itself. */
const OUTSIDE: Zone = { root: "", ours: [], others: null, builtins: true };

export const importDirections: Rule = (files) => {
  const paths = new Set(files.map((file) => file.path));
  const declared = declaredPackages(files);
  return files.filter(isCode).flatMap((file): Violation[] => {
    const zone = zoneOf(file);
    if (zone === null) {
      const problem = "its folder has no line in scripts/rules/imports.ts";
      return [{ path: file.path, line: 1, problem }];
    }
    return importsOf(file).flatMap((one) => {
      const problem = problemOf(file, zone, one, { paths, declared });
      return problem === null ? [] : [violationAt(file, one.node, problem)];
    });
  });
};

type Known = Readonly<{
  paths: ReadonlySet<string>;
  /** Dependencies by the folder of the package.json that declares them. */
  declared: ReadonlyMap<string, ReadonlySet<string>>;
}>;

function zoneOf({ path }: RepoFile): Zone | null {
  const zone = ZONES.find(({ root }) => path.startsWith(root));
  if (zone !== undefined) return zone;
  return path.startsWith("scripts/") || !path.includes("/") ? OUTSIDE : null;
}

function problemOf(file: RepoFile, zone: Zone, { specifier }: Import, known: Known): string | null {
  if (specifier === null) return "imports a computed name: nobody can tell what";
  const target = targetOf(file, specifier);
  if (target !== null) return relativeProblem(file, zone, target, known);
  const mayUseTools = isTest(file) || zone.root === "test-e2e/";
  if (isBuiltin(specifier)) {
    if (!zone.builtins && !isTest(file)) return `${zone.root} may not import ${specifier}`;
    return specifier.startsWith("node:") ? null : `write node:${specifier}`;
  }
  const name = packageOf(specifier);
  if (name.startsWith("@selfscale/")) {
    const isOurs = zone.ours.includes(name) || (mayUseTools && FOR_TESTS.includes(name));
    if (!isOurs) return `${zone.root} may not import ${name}`;
    if (specifier !== name) return `reaches into ${name}: import what its index.ts exports`;
  }
  const tools = mayUseTools ? (known.declared.get("") ?? new Set()) : new Set();
  if (tools.has(name)) return null;
  const isOthers = !name.startsWith("@selfscale/");
  if (isOthers && zone.others !== null && !zone.others.includes(name)) {
    return `${zone.root} may not import ${name}`;
  }
  const isDeclared = known.declared.get(zone.root)?.has(name) ?? false;
  return isDeclared ? null : `${name} is not declared in ${zone.root}package.json`;
}

function relativeProblem(file: RepoFile, zone: Zone, target: string, known: Known): string | null {
  const isOwn = zone === OUTSIDE ? target.startsWith("scripts/") : target.startsWith(zone.root);
  if (!isOwn) return `leaves ${zone.root === "" ? "scripts/" : zone.root} for ${target}`;
  if (!known.paths.has(target)) return `there is no file ${target}`;
  const isForTests = isTest({ path: target, text: "" });
  return isForTests && !isTest(file) ? `${target} is for tests only` : null;
}

/** "zod/mini" → "zod", "@scope/name/part" → "@scope/name". */
function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function declaredPackages(files: readonly RepoFile[]): Known["declared"] {
  const manifests = files.filter(({ path }) => /(^|\/)package\.json$/.test(path));
  return new Map(
    manifests.map(({ path, text }) => {
      const { dependencies = {}, devDependencies = {} } = JSON.parse(text) as Record<
        string,
        Record<string, string> | undefined
      >;
      const names = [...Object.keys(dependencies), ...Object.keys(devDependencies)];
      return [path.slice(0, -"package.json".length), new Set(names)];
    }),
  );
}

/** Each cycle is told once, at the first of its files by name. */
export const noImportCycles: Rule = (files) => {
  const graph = importGraph(files);
  const told = new Set<string>();
  return [...graph.keys()].sort().flatMap((start): Violation[] => {
    const cycle = told.has(start) ? null : shortestCycle(graph, start);
    if (cycle === null) return [];
    for (const path of cycle) told.add(path);
    return [{ path: start, line: 1, problem: `imports itself: ${[...cycle, start].join(" → ")}` }];
  });
};

/** The files on the shortest way from `start` back to it; null when there is none. */
function shortestCycle(
  graph: ReadonlyMap<string, readonly string[]>,
  start: string,
): readonly string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const next of graph.get(path) ?? []) {
      if (next === start) return wayTo(path, start, cameFrom);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, path);
      queue.push(next);
    }
  }
  return null;
}

function wayTo(end: string, start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [end];
  for (let at = end; at !== start;) {
    at = cameFrom.get(at) ?? start;
    way.unshift(at);
  }
  return way;
}
