// Nothing of the machine that somebody worked on: a clone must not depend on it, nor tell about it.
import { type Rule, type Violation } from "./source.ts";

/** Written so that none of them matches itself. */
const LEAKS: readonly Readonly<{ pattern: RegExp; problem: string }>[] = [
  {
    pattern: /\bregistry\.[a-z0-9.-]+\.(?:org|com|io|net|dev|cn)\b|:\/\/registry\./gi,
    problem: "names a package registry: which one is the machine's setting",
  },
  {
    pattern: /\b[a-z]+\.debian\.org\b|\b(?:archive|security)\.ubuntu\.com\b/gi,
    problem: "names a Debian mirror: which one is the machine's setting",
  },
  {
    pattern: /\b(?:npmmirror|yarnpkg|pythonhosted)\.[a-z]+\b|\b(?:proxy\.golang|pypi)\.org\b/gi,
    problem: "names a package registry: which one is the machine's setting",
  },
  {
    pattern: /(?<![\w.~*-])\/(?:work|root|tmp|Users|home\/[a-z][\w-]*)\/[\w.$*{-]/g,
    problem: "a path of one machine",
  },
];

export const nothingOfTheMachine: Rule = (files) =>
  files.flatMap(({ path, text }) =>
    LEAKS.flatMap(({ pattern, problem }) =>
      [...text.matchAll(pattern)].map(({ index, 0: found }): Violation => {
        const line = text.slice(0, index).split("\n").length;
        return { path, line, problem: `${found} ${problem}` };
      }),
    ),
  );
