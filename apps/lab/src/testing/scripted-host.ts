// What the parts of a scripted agent know of one another.
import { type Defect } from "./agent-defects.ts";
import { type ScriptedVm } from "./scripted-vm.ts";

/** What outlives a connection. */
export type LinkHost = {
  readonly vm: ScriptedVm;
  readonly uuid: string;
  nextId: number;
  oldQuestions: Map<unknown, () => void>;
  has: (defect: Defect) => boolean;
  /** A time of the protocol, as this agent takes it. */
  ms: (ms: number) => number;
  later: (ms: number, call: () => void) => NodeJS.Timeout;
  cancel: (timer: NodeJS.Timeout) => void;
};

export type Fields = Readonly<Record<string, unknown>>;

/** A connection after its handshake, as what decides about sizes uses it. */
export type SpeakingLink = Readonly<{
  host: LinkHost;
  version: number;
  hasReports: boolean;
  isMismatched: boolean;
  hasSpoken: boolean;
  later: (ms: number, call: () => void) => void;
  ask: (type: string, content: Fields, failed: () => void) => unknown;
  tell: (type: string, content: Fields) => unknown;
  wrap: (type: string, content: Fields, id: unknown) => void;
  nonsense: (id: unknown) => void;
  close: (code: number, reason: string) => void;
  dropDead: () => void;
}>;
