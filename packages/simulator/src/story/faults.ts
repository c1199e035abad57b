// What can go wrong in a world, each by its name. To add one: a line here, its draw in story-of.ts, its deed in deeds.ts.

/** Every fault, and what it does. `amount` means what the line says. */
export const FAULTS = {
  "link-drop": "the connection to the monitor dies",
  "link-half-open":
    "bytes of this connection vanish for ever, and nobody is told; no new one opens",
  "link-slow": "frames take amount ms longer",
  "link-late": "frames to the agent take amount ms, also after the connection was replaced",
  "link-refused": "nobody can connect",
  intruder: "somebody else connects to the monitor, takes the link over and asks for shrinks",
  "reader-slow": "the monitor reads nothing, then everything at once",
  "qmp-slow": "QEMU answers amount ms late",
  "qmp-stuck": "QEMU takes commands and answers none",
  "qmp-deaf": "QEMU does not even take commands",
  "qmp-refuses": "QEMU refuses to change sizes",
  "qmp-gone": "the QMP socket vanishes, and comes back",
  "quota-refused": "the kernel refuses to write the quota",
  "plug-partial": "the guest plugs no more than amount MiB",
  "unplug-partial": "the guest keeps amount MiB plugged",
  "unplug-slow": "unplugging takes amount times as long",
  "vcpu-slow": "new vCPUs appear amount ms late",
  paused: "the VM stands still",
  "guest-reset": "the guest boots anew: nothing is plugged, what was requested stays",
  "qemu-crash": "QEMU is gone, then boots anew; amount 1: without a quota",
  migrated: "the VM is migrated away, and later comes back in another QEMU",
  "agent-stopped":
    "the agent's process stands still, as on a suspended host; then all comes at once",
  "agent-crash": "the agent is killed, everything it knew is lost, then it starts anew",
  "monitor-crash": "the monitor is killed, everything it knew is lost, then it starts anew",
  "monitor-frozen": "the monitor's process stands still",
  "upgrade-agent": "the agent starts anew and speaks up to version amount",
  "upgrade-monitor": "the monitor starts anew and speaks up to version amount",
  "bounds-changed": "the operator sets the upper bound to amount percent of the planned one",
  "min-raised": "the operator sets the lower bound to amount percent of the upper one",
  "capacity-changed":
    "the node becomes amount percent; if that is even, the agent starts anew on it",
  lying: "the readings in the guest are false; amount: 0 starving, 1 idle, 2 at random",
  hostile: "somebody hostile answers in the monitor's place; amount: 1 with another VM's UUID",
  "cpu-stubborn": "the guest does not switch CPUs on or off",
  "scrape-fails": "the VM's metrics can't be read",
} as const;

export type FaultKind = keyof typeof FAULTS;

export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

/** One thing that goes wrong. Data: a story is told, shrunk and replayed from it. */
export type Fault = Readonly<{
  at: number;
  /** Which VM, counted from 0. */
  vm: number;
  kind: FaultKind;
  forMs: number;
  amount: number;
}>;
