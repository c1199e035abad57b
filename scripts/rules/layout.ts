// Where things are and what they are called; what a package.json may ask for.
import { isCode, type Rule, type Violation } from "./source.ts";

/** Only a package has an outside to name things for; elsewhere index.ts hides who uses what. */
export const indexOnlyInPackages: Rule = (files) =>
  files
    .filter(({ path }) => /(^|\/)index\.[cm]?[jt]s$/.test(path))
    .filter(({ path }) => !/^packages\/[^/]+\/src\/index\.ts$/.test(path))
    .map(({ path }) => ({ path, line: 1, problem: "index.ts belongs into packages/*/src only" }));

export const namesAreKebabCase: Rule = (files) =>
  files
    .filter(isCode)
    .filter(({ path }) => !/(^|\/)[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.[cm]?[jt]s$/.test(path))
    .map(({ path }) => ({ path, line: 1, problem: "a file of code is named in kebab-case" }));

const SECTIONS = [
  "dependencies",
  "devDependencies",
  "peerDependencies",
  "optionalDependencies",
] as const;

/** One version of everything, in the catalog of pnpm-workspace.yaml. */
export const versionsAreInTheCatalog: Rule = (files) =>
  files
    .filter(({ path }) => /(^|\/)package\.json$/.test(path))
    .flatMap(({ path, text }) => {
      const manifest = JSON.parse(text) as Record<string, Record<string, string> | undefined>;
      return SECTIONS.flatMap((section) => Object.entries(manifest[section] ?? {}))
        .filter(([, version]) => !/^catalog:|^workspace:/.test(version))
        .map(([name, version]): Violation => {
          const line = text.slice(0, text.indexOf(`"${name}"`)).split("\n").length;
          return { path, line, problem: `${name} is ${version}, expected catalog: or workspace:*` };
        });
    });
