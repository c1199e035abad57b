// When a guest that was just started can be used.
import { get } from "node:http";
import { execInGuest } from "./exec-channel.ts";
import { type Ports } from "./ports.ts";
import { type Qemu } from "./qemu.ts";
import { until } from "./until.ts";

/**
 * One try's patience. QEMU accepts connections before the guest listens and then repeats the guest's SYN ever
 * more slowly: a new connection is sooner answered than an old one.
 */
const TRY_MS = 1_500;
/** A boot beside another busy guest took 23 s. */
const READY_WITHIN_MS = 120_000;

/** Waits for answers of the exec channel, PostgreSQL and the monitor. */
export async function waitUntilReady(qemu: Qemu): Promise<void> {
  const ask = (what: string, answers: () => Promise<boolean>) =>
    waitWhileAlive(qemu, what, answers);
  const { ports } = qemu;
  await ask("exec channel", () => isTrue(ports, "true"));
  await Promise.all([
    ask("PostgreSQL", () => isTrue(ports, "psql -h /run/postgresql -U postgres -XAtqc 'select 1'")),
    ask("monitor", () => answersHttp(ports.monitor)),
  ]);
}

/** Waits for the monitor alone, after it was restarted. */
export async function waitForMonitor(qemu: Qemu): Promise<void> {
  await waitWhileAlive(qemu, "monitor", () => answersHttp(qemu.ports.monitor));
}

async function waitWhileAlive(
  qemu: Qemu,
  what: string,
  answers: () => Promise<boolean>,
): Promise<void> {
  const probe = async () => {
    if (qemu.isGone) throw new Error(`QEMU ended: ${qemu.complaints()}`);
    return await answers();
  };
  try {
    await until(`the guest's ${what} answers`, probe, { withinMs: READY_WITHIN_MS });
  } catch (cause) {
    const seen = [qemu.complaints(), qemu.isGone ? "" : qemu.console().slice(-2_000)].join("\n");
    throw new Error(`a guest did not start: ${what}\n${seen}`, { cause });
  }
}

async function isTrue({ exec }: Ports, command: string): Promise<boolean> {
  const result = await execInGuest(exec, command, { timeoutMs: TRY_MS }).catch(() => null);
  return result?.code === 0;
}

/** Any answer will do: a monitor refuses a plain request, but only when it is up. */
async function answersHttp(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const call = get({ host: "127.0.0.1", port, timeout: TRY_MS, agent: false }, (reply) => {
      reply.resume();
      resolve(true);
    });
    call.on("timeout", () => call.destroy());
    call.on("error", () => resolve(false));
  });
}
