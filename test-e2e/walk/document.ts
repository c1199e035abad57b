// A document whose outputs are real: below each line `<!-- walk: NAME -->` stands a fenced block that a walk writes.

const BLOCK = /(<!-- walk: ([\w-]+) -->\n\n?```\w*\n)([\s\S]*?)(\n```)/g;

/** The document with these blocks in the place of what stood there. Throws when a name is on one side only. */
export function written(document: string, blocks: ReadonlyMap<string, string>): string {
  const wanted = new Set(blocks.keys());
  const text = document.replaceAll(
    BLOCK,
    (_, before: string, name: string, _old, after: string) => {
      const block = blocks.get(name);
      if (block === undefined) throw new Error(`the walk has no step ${name}`);
      wanted.delete(name);
      return `${before}${block}${after}`;
    },
  );
  if (wanted.size > 0) throw new Error(`the document has no place for ${[...wanted].join(", ")}`);
  return text;
}
