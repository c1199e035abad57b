// A JSON reader that keeps what JSON.parse forgets: how a number was written, and whether a key
// came twice. It also refuses lone surrogates, as serde does. For tests only; it is not fast and
// trusts nothing to be valid.

export type StrictJson =
  | Readonly<{ kind: "null" }>
  | Readonly<{ kind: "boolean"; value: boolean }>
  | Readonly<{ kind: "number"; literal: string }>
  | Readonly<{ kind: "string"; value: string }>
  | Readonly<{ kind: "array"; items: readonly StrictJson[] }>
  | Readonly<{ kind: "object"; fields: ReadonlyMap<string, StrictJson>; hasDuplicates: boolean }>;

const TOKEN = new RegExp(
  [
    /(?<mark>[[\]{},:])/,
    /(?<string>"(?:[^"\\]|\\.)*")/,
    /(?<number>-?\d[\d.eE+-]*)/,
    /(?<word>true|false|null)/,
  ]
    .map((part) => `\\s*${part.source}`)
    .join("|"),
  "y",
);

/** The value, or null when `text` is not exactly one JSON value. */
export function parseStrictly(text: string): StrictJson | null {
  try {
    JSON.parse(text); // the grammar; below only what it forgets
  } catch {
    return null;
  }
  if (/(?<!\\)(?:\\\\)*\\ud[89a-f]/i.test(text)) return null; // ours escapes no pair
  if (/\p{Surrogate}/u.test(text)) return null;
  return new Reader(text).value();
}

/** Walks tokens of a text that is known to be JSON. */
class Reader {
  readonly #tokens: readonly RegExpExecArray[];
  #at = 0;

  constructor(text: string) {
    const tokens: RegExpExecArray[] = [];
    TOKEN.lastIndex = 0;
    for (let token = TOKEN.exec(text); token !== null; token = TOKEN.exec(text)) tokens.push(token);
    this.#tokens = tokens;
  }

  value(): StrictJson {
    const { mark, string, number, word } = this.#next();
    if (string !== undefined) return { kind: "string", value: JSON.parse(string) as string };
    if (number !== undefined) return { kind: "number", literal: number };
    if (word === "null") return { kind: "null" };
    if (word !== undefined) return { kind: "boolean", value: word === "true" };
    return mark === "[" ? this.#array() : this.#object();
  }

  #array(): StrictJson {
    const items: StrictJson[] = [];
    while (this.#peek() !== "]") {
      items.push(this.value());
      if (this.#peek() === ",") this.#next();
    }
    this.#next();
    return { kind: "array", items };
  }

  #object(): StrictJson {
    const fields = new Map<string, StrictJson>();
    let hasDuplicates = false;
    while (this.#peek() !== "}") {
      const key = JSON.parse(this.#next().string ?? "") as string;
      this.#next(); // the colon
      hasDuplicates ||= fields.has(key);
      fields.set(key, this.value());
      if (this.#peek() === ",") this.#next();
    }
    this.#next();
    return { kind: "object", fields, hasDuplicates };
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at]?.groups?.mark;
  }

  #next(): Record<string, string | undefined> {
    return this.#tokens[this.#at++]?.groups ?? {};
  }
}
