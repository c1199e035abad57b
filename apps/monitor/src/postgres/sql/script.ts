// The scripts of `selfscale-monitor sql`, whole: the same text is run or printed.
import { AHEAD, AHEAD_GRANTS, DROP_EVENT_TRIGGER, EVENT_TRIGGER } from "./ahead.ts";
import { CHANNEL, root } from "./channel.ts";
import { DROP_OBJECTS, DROP_ROLES, GRANTS, preconditions, ROLES } from "./frame.ts";
import { QUANTITIES } from "./quantities.ts";
import { RESERVE } from "./reserve.ts";
import { VIEWS } from "./views.ts";

/** Installs, or puts right what is installed in this version. */
export function installScript(folder: string): string {
  return transaction(preconditions("install"), objects(folder));
}

/** From any older version. */
export function upgradeScript(folder: string): string {
  return transaction(preconditions("upgrade"), DROP_EVENT_TRIGGER, DROP_OBJECTS, objects(folder));
}

export function removeScript(): string {
  return transaction(preconditions("remove"), DROP_EVENT_TRIGGER, DROP_OBJECTS, DROP_ROLES);
}

function objects(folder: string): string {
  return [
    ROLES,
    root(folder),
    CHANNEL,
    QUANTITIES,
    RESERVE,
    VIEWS,
    AHEAD,
    GRANTS,
    AHEAD_GRANTS,
    EVENT_TRIGGER,
  ].join("");
}

/** All or nothing. */
function transaction(...parts: readonly string[]): string {
  return `BEGIN;${parts.join("")}COMMIT;\n`;
}
