// Writes many mutants into one copy of a file, each behind a switch: one start of the tests' machinery
// serves them all. Mutants nest; what is inside a mutant is plain code, for only one is on at a time.
import { type Mutant } from "./mutant.ts";

/** A mutant and the number that turns it on. */
export type Numbered = Readonly<{ number: number; mutant: Mutant }>;

type Host = Readonly<{ start: number; end: number; here: readonly Numbered[] }>;

export function instrument(text: string, mutants: readonly Numbered[]): string {
  const hosts = hostsOf(mutants);
  const body = rewrite(text, hosts, 0, text.length);
  // On the first line, so that the lines of a failure are those of the code.
  return `const $mutant = globalThis.$mutant ?? (() => false); ${body}`;
}

/** Those on the very same code share one host. Outer before inner, first before last. */
function hostsOf(mutants: readonly Numbered[]): readonly Host[] {
  const hosts = new Map<string, Numbered[]>();
  for (const numbered of mutants) {
    const { start, end, form } = numbered.mutant;
    const key = `${start}-${end}-${form}`;
    hosts.set(key, [...(hosts.get(key) ?? []), numbered]);
  }
  return [...hosts.values()]
    .map((here): Host => ({
      start: here[0]?.mutant.start ?? 0,
      end: here[0]?.mutant.end ?? 0,
      here,
    }))
    .sort((a, b) => a.start - b.start || rank(a) - rank(b) || b.end - a.end);
}

/** An entry stands before the first statement, and a statement is never inside its own expression. */
function rank({ here }: Host): number {
  return ["entry", "statement", "expression"].indexOf(here[0]?.mutant.form ?? "expression");
}

function rewrite(text: string, hosts: readonly Host[], from: number, to: number): string {
  let written = "";
  let at = from;
  for (let index = 0; index < hosts.length;) {
    const host = hosts[index];
    if (host === undefined) break;
    const inner: Host[] = [];
    for (index += 1; index < hosts.length; index += 1) {
      const next = hosts[index];
      if (next === undefined || host.end <= next.start || host.start === host.end) break;
      inner.push(next);
    }
    const code = rewrite(text, inner, host.start, host.end);
    written += text.slice(at, host.start) + switched(host, code);
    at = host.end;
  }
  return written + text.slice(at, to);
}

function switched({ here }: Host, code: string): string {
  let written = code;
  for (const { number, mutant } of here) {
    const on = `$mutant(${number})`;
    if (mutant.form === "entry") written = `if (${on}) ${mutant.becomes} ${written}`;
    else if (mutant.form === "statement") written = `if (!${on}) { ${written} }`;
    else written = `(${on} ? (${mutant.becomes}) : (${written}))`;
  }
  return written;
}
