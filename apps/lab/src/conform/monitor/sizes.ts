// The sizes that the kit speaks of. A monitor acts on what it hears, so these keep its machine as it is.
import { type WireSize } from "../agent-player.ts";

/** What the kit says that was given: little, so that no cache grows for it. */
export const GRANT: WireSize = { cpu: 1, mem: 1_073_741_824 };

/** What the kit asks to shrink to on version 1: no monitor takes a CPU offline for that many. */
export const SHRINK: WireSize = { cpu: 1024, mem: 1_073_741_824 };

/** Memory that no machine can be shrunk to. */
export const TINY_MEM = 1_048_576;

/** The grid that the kit says its agent has. */
export const STEP: WireSize = { cpu: 0.25, mem: 134_217_728 };

/** More than any machine has. */
export const HUGE_MEM = 2 ** 50;
