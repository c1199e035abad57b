// The commands of the agent's scenario files, carried out in the small world of rig.ts.
import { json, numbers, wordsOf, type Play } from "../../testing/transcript.ts";
import { vmWakeAt } from "../machine.ts";
import { vmStatus } from "../status.ts";
import { type HypervisorFacts, type VmAction, type VmEvent, type VmSpec } from "../types.ts";
import { addDeployed, deployedCommands } from "./deployed-stage.ts";
import { MIB, Rig, bounds, size, type MonitorScript, type RigVm } from "./rig.ts";
import { StepBook } from "./step-book.ts";

type Command = (rest: string) => void;

/** `node CPU MIB` of room, then `vm {spec}`: that one the commands after it are about. */
export function agentStage(): Play {
  let rig = new Rig();
  // Of another world: in this one, the node would keep room for a VM that nobody ever attaches.
  let vm = new Rig().add();
  let startedAt = rig.now;
  let heard: string[] = [];
  let book = new StepBook();
  const time = (at: number): string => `+${at - startedAt}`;
  const worldCommands: Readonly<Record<string, Command>> = {
    node: (rest) => {
      const [cpu, mib] = numbers(rest);
      rig = new Rig(size(cpu, mib));
    },
    /** `node-size CPU MIB`: it has become larger or smaller. */
    "node-size": (rest) => {
      const [cpu, mib] = numbers(rest);
      rig.resizeNode(size(cpu, mib));
    },
    vm: (rest) => {
      const added = rig.add(json<Partial<VmSpec>>(rest));
      vm = added;
      added.watch = (action) => {
        const who = added === vm ? "" : `${added.name} `;
        heard.push(`${time(rig.now)} ${who}${actionWords(action)}`);
      };
      startedAt = rig.now;
    },
    /** `deployed MIN MAX NOW {factors}`: a VM of the deployed agent's tests, in compute units. */
    deployed: (rest) => {
      rig = new Rig();
      vm = addDeployed(rig, rest);
      vm.watch = (action) => {
        heard.push(`${time(rig.now)} ${actionWords(action)}`);
        book.done(action);
      };
      book = new StepBook();
      vm.overhear = (event) => book.heard(event);
      startedAt = rig.now;
    },
    /** `run`, with not a word of it in the file; time counts from its end. */
    skip: (rest) => {
      rig.run(Number(rest));
      heard = [];
      startedAt = rig.now;
      book.forget();
    },
    /** `then STEP; STEP`: these came since the last one, in this order, and no others. */
    then: (rest) => book.expect(rest),
    /** `turn vm-1`: the commands after it are about that one. */
    turn: (rest) => {
      const other = rig.vms.find(({ name }) => name === rest);
      if (other === undefined) throw new Error(`no VM ${rest}`);
      vm = other;
    },
    run: (rest) => rig.run(Number(rest)),
    status: () => {
      const wakeAt = vmWakeAt(vm.state);
      const { verdict, recall, ...status } = vmStatus(vm.state);
      heard.push(JSON.stringify({ ...status, ...some({ verdict, recall }) }));
      heard.push(`wakes ${wakeAt === null ? "never" : time(wakeAt)}`);
    },
  };
  return (name, rest) => {
    heard = [];
    const act = worldCommands[name] ?? vmCommands(rig, vm)[name] ?? deployedCommands(rig, vm)[name];
    if (act === undefined) throw new Error(`no such command: ${name}`);
    act(rest);
    return heard;
  };
}

/** A claim without what is the same in most of them. */
function actionWords(action: VmAction): string {
  if (action.kind !== "seek-permit") return wordsOf(action);
  const { want, held, urgent, loanMilli } = action.claim;
  const isUrgent = urgent.milliCpu > 0 || urgent.memBytes > 0;
  const more = some({ urgent: isUrgent ? urgent : null, loanMilli: loanMilli || null });
  return `seek-permit ${JSON.stringify({ want, held, ...more })}`;
}

function some(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function vmCommands(rig: Rig, vm: RigVm): Readonly<Record<string, Command>> {
  return {
    attach: () => rig.attach(vm),
    lose: () => rig.lose(vm),
    connect: () => rig.connect(vm),
    disconnect: () => rig.disconnect(vm),
    wish: (rest) => {
      const [cpu, mib] = numbers(rest);
      rig.wish(vm, cpu, mib);
    },
    say: (rest) => rig.say(vm, json(rest)),
    event: (rest) => rig.feed(vm, json<VmEvent>(rest)),
    facts: (rest) => (vm.facts = { ...vm.facts, ...json<Partial<HypervisorFacts>>(rest) }),
    bounds: (rest) => {
      const [minCpu, minMib, maxCpu, maxMib] = numbers(rest);
      const changed = bounds(size(minCpu, minMib), size(maxCpu, maxMib));
      rig.feed(vm, { kind: "bounds-changed", bounds: changed });
    },
    /** `pause`, and for how many ms. */
    pause: (rest) => {
      const until = rest === "" ? null : rig.now + Number(rest);
      rig.feed(vm, { kind: "operator-paused", isPaused: true, until });
    },
    resume: () => rig.feed(vm, { kind: "operator-paused", isPaused: false, until: null }),
    /** `floor CPU MIB MS`; without numbers it is cleared. */
    floor: (rest) => {
      const [cpu, mib, forMs] = numbers(rest);
      const floor = rest === "" ? null : size(cpu, mib);
      rig.feed(vm, { kind: "operator-floor", floor, until: rig.now + forMs });
    },
    /** `permit CPU MIB`, and 1 when the node is full. */
    permit: (rest) => {
      const [cpu, mib, isFull] = numbers(rest);
      const permit = size(cpu, mib);
      rig.feed(vm, {
        kind: "permit-changed",
        permit,
        isNodeFull: isFull === 1,
        recall: null,
        verdict: null,
        answers: vm.state.claims,
      });
    },
    /** What is plugged and what was requested, in MiB. */
    device: (rest) => {
      const [plugged, requested] = numbers(rest);
      vm.setDevice({ sizeBytes: plugged * MIB, requestedBytes: requested * MIB });
    },
    pluggable: (rest) => (vm.pluggableBytes = Number(rest) * MIB),
    unpluggable: (rest) => (vm.unpluggableBytes = Number(rest) * MIB),
    monitor: (rest) => Object.assign(vm.monitor, json<Partial<MonitorScript>>(rest)),
    consent: (rest) => {
      const answer = json<Record<string, unknown> | null>(rest);
      vm.monitor.consent = () => answer;
    },
  };
}
