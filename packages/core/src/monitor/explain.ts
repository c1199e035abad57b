// How a note of the closed list in types.ts is made.
import { type MonitorAction, type MonitorNote } from "./types.ts";

export function explain(
  level: MonitorNote["level"],
  reason: MonitorNote["reason"],
  message: string,
  data?: MonitorNote["data"],
): MonitorAction {
  return {
    kind: "explain",
    note: { level, reason, message, ...(data === undefined ? {} : { data }) },
  };
}
