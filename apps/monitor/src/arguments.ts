// Reading the words of a command line; what is wrong with them is a sentence, not an exception.
import { parseArgs, type ParseArgsConfig } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true; strict: true }>
>;

/** Strictly by `options`; words that belong to none of them are `positionals`. */
export function readArguments<O extends Options>(
  args: readonly string[],
  options: O,
): Parsed<O> | Readonly<{ problem: string }> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    return { problem: optionProblem(error) };
  }
}

/** node's own sentence names the option; its hint about "--" would only confuse here. */
export function optionProblem(error: unknown): string {
  return (error as Error).message.split(". ")[0] ?? "bad option";
}
