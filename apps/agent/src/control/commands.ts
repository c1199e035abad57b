// What the commands print, and what they ask the running agent for it.
import process from "node:process";
import { type Order } from "../cli.ts";
import { ask, askInto } from "./client.ts";
import { explainText, orderText } from "./explain-text.ts";
import { type AgentStatus, type ExplainAnswer, type OrderAnswer } from "./routes.ts";
import { statusTable } from "./status-table.ts";
import { watchStatus } from "./watch.ts";

/** Rejects with ControlError when nobody answers, or the answer is no. */
export async function carryOut(socket: string, order: Order): Promise<void> {
  switch (order.kind) {
    case "status":
      if (order.isWatching) return watchStatus(socket, order.isJson);
      return showStatus(socket, order.isJson);
    case "explain": {
      const json = await ask(socket, { method: "GET", path: pathOf(order.vm, "explain") });
      const text = () => explainText(JSON.parse(json) as ExplainAnswer, Date.now());
      process.stdout.write(order.isJson ? `${json}\n` : text());
      return;
    }
    case "pause":
      return give(socket, order.vm, "pause", order.for === null ? {} : { for: order.for });
    case "resume":
      return give(socket, order.vm, "resume", {});
    case "set-size":
      return give(socket, order.vm, "set-size", order.body);
    case "trace": {
      const path = `${pathOf(order.vm, "trace")}?last=${order.last}`;
      return askInto(socket, { method: "GET", path }, process.stdout);
    }
    default:
      return order satisfies never;
  }
}

async function showStatus(socket: string, isJson: boolean): Promise<void> {
  const json = await ask(socket, { method: "GET", path: "/status" });
  const table = () => statusTable(JSON.parse(json) as AgentStatus, Date.now());
  process.stdout.write(isJson ? `${json}\n` : table());
}

async function give(socket: string, vm: string, action: string, body: object): Promise<void> {
  const json = await ask(socket, { method: "POST", path: pathOf(vm, action), body });
  process.stdout.write(orderText(JSON.parse(json) as OrderAnswer));
}

function pathOf(vm: string, action: string): string {
  return `/vms/${encodeURIComponent(vm)}/${action}`;
}
