// What the agent says on an open link: questions, whose even ids name the answers, and what has none. Pure.
import {
  allocationFromSize,
  encodeFromAgent,
  type FromAgent,
  type Size,
} from "@selfscale/protocol";
import { type LinkUp, type Pending } from "./link-state.ts";
import { type MonoMs, type VmAction } from "./types.ts";

type Request =
  | Readonly<{ type: "HealthCheck"; content: Record<string, never> }>
  | Readonly<{ type: "UpscaleNotification"; granted: Size }>
  | Readonly<{ type: "DownscaleRequest"; target: Size }>;

/** A question about a shrink whose answer is still to come, also when nobody needs it any more. */
export function hasOpenQuestion({ pending }: LinkUp): boolean {
  return pending.some(({ kind }) => kind === "DownscaleRequest");
}

/** Send a request of ours; its even id names the answer. */
export function ask(
  link: LinkUp,
  request: Request,
  now: MonoMs,
): { link: LinkUp; action: VmAction; id: number } {
  const id = link.nextId;
  const pending: Pending = { id, kind: request.type, sentAt: now };
  return {
    id,
    link: { ...link, nextId: id + 2, pending: [...link.pending, pending] },
    action: send(link.link, requestMessage(request, id)),
  };
}

/** Send a message of ours that has no answer and no id of its own to wait for. */
export function tell(
  link: LinkUp,
  message: (id: number) => FromAgent,
): { link: LinkUp; action: VmAction } {
  const id = link.nextId;
  return { link: { ...link, nextId: id + 2 }, action: send(link.link, message(id)) };
}

export function send(link: number, message: FromAgent): VmAction {
  return { kind: "send-frame", link, text: encodeFromAgent(message) };
}

function requestMessage(request: Request, id: number): FromAgent {
  switch (request.type) {
    case "HealthCheck":
      return { type: "HealthCheck", content: {}, id };
    case "UpscaleNotification": {
      const granted = allocationFromSize(request.granted);
      return { type: "UpscaleNotification", content: { granted }, id };
    }
    case "DownscaleRequest": {
      const target = allocationFromSize(request.target);
      return { type: "DownscaleRequest", content: { target }, id };
    }
    default:
      return request satisfies never;
  }
}
