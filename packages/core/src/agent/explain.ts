// The closed list of things the agent says about a VM. One line each: the operator's manual is made from here.
import { type Explanation } from "./types.ts";

/** Why something happened, or did not. Adjectives and past tenses: facts, not orders. */
export const AGENT_NOTES = {
  "hypervisor-attached": "QEMU answered on its QMP socket; sizes were read, none changed.",
  "hypervisor-lost": "The QMP socket is gone or does not answer; nothing is resized until it does.",
  "new-process": "Another QEMU process answers now; everything known of the old one is forgotten.",
  "vm-refused": "The VM can't be managed as configured; its size is left alone.",
  "min-below-base": "bounds.min is below the memory QEMU booted with, which can't be unplugged.",
  "max-above-device": "bounds.max is above what the VM's memory device or CPU sockets can reach.",
  "device-above-max":
    "A hostile guest can touch more than bounds.max: the device is larger than it.",
  "quota-enforced": "The QEMU process had no CPU limit; it now has what it already was given.",
  "link-up": "The monitor answered the handshake.",
  "link-down": "The connection to the monitor ended; the size is held.",
  "identity-mismatch": "This monitor belongs to another VM; nothing is resized.",
  "identity-unproven": "No UUID proves whose monitor this is; it may not shrink the VM yet.",
  "mode-changed": "Who decides the size has changed.",
  "monitor-silent": "A version-2 monitor named no size; the VM is held.",
  "level-set": "The size wanted has changed.",
  "wish-refused": "The monitor named a size that no VM can have.",
  "node-full": "The node has no room for all of it; the rest waits.",
  recalled:
    "Others are below their share: the monitor is asked to give back what is above this VM's.",
  "resize-begun": "QEMU or the kernel is being told a new size.",
  "resize-done": "QEMU reports the size that was requested.",
  "resize-short": "The guest stopped before the requested size; what it did counts.",
  "resize-failed": "QEMU or the kernel did not take the command.",
  "consent-given": "The monitor agreed to this shrink.",
  "consent-refused": "The monitor refused this shrink.",
  "consent-failed": "The monitor did not answer whether it may be shrunk.",
  "consent-void": "The agreement came too late, or growth came first; nothing was unplugged.",
  settled: "requested was set to actual, so that the guest stops unplugging.",
  "blind-growth": "The monitor is mute and the guest in distress: one step more memory.",
  "upscale-requested": "A version-1 monitor is running out and asked for more.",
  "peer-mistake": "The monitor sent something that the protocol does not allow.",
  "bounds-changed": "The operator changed the bounds.",
  "vm-stopped": "QEMU does not run the guest (paused, migrating, crashed): nothing is told to it.",
  "vm-running": "QEMU runs the guest again; its sizes were read anew.",
  "guest-reset": "The guest was reset: it has nothing plugged, and plugs what was requested again.",
  "shrink-kicked": "A shrink made no progress: settled, and asked for once more at once.",
  "command-lost": "A command was never answered; whether it was taken is read from QEMU.",
  "look-lost": "A look at QEMU never came back; nothing is taken until one does.",
  "permit-late": "The node has not answered; it is asked again.",
  "stood-still": "The agent stood still; nothing is taken before the monitor has answered anew.",
  "resize-limited": "The monitor makes this VM go up and down too often; the next resize waits.",
  "messages-limited": "The monitor says too much of one kind; the rest of it is not acted on.",
  "spec-changed": "The configuration was read anew; the link to the monitor stayed.",
  "operator-paused": "The operator holds the size: nothing grows or shrinks until it is let go.",
  "operator-resumed": "The operator's hold has ended.",
  "operator-floor": "The operator's smallest size was set, was cleared or is over.",
  "loop-died":
    "This VM's loop died of the agent's own mistake; it starts anew, and its size is held.",
} as const;

export type AgentNote = keyof typeof AGENT_NOTES;

export function note(
  reason: AgentNote,
  message: string,
  data?: Explanation["data"],
  level: Explanation["level"] = "info",
): { kind: "explain"; note: Explanation } {
  return {
    kind: "explain",
    note: { level, reason, message, ...(data === undefined ? {} : { data }) },
  };
}

export function warning(reason: AgentNote, message: string, data?: Explanation["data"]) {
  return note(reason, message, data, "warn");
}

/** "1.5 vCPU, 1280 MiB": sizes as people say them. */
export function sayCpu(milliCpu: number): string {
  return `${milliCpu / 1000} vCPU`;
}

export function sayMem(bytes: number): string {
  return `${Math.round((bytes / (1024 * 1024)) * 10) / 10} MiB`;
}

/** "12 s", "9 min", "2 h", "3 d": how long, roughly. */
export function sayMs(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds <= 90 * 60) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} d`;
}
