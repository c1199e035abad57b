// The real program: a monitor that watches this very machine, and commands that reserve from it.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CLAIM_MS } from "../local-api/granted-file.ts";
import { fetchText } from "../local-api/client.ts";
import { type ReservationsView } from "../local-api/views.ts";
import { Program, type Started } from "../testing/program.ts";
import { until } from "../testing/until.ts";

const program = new Program();
let dir = "";
let socket = "";
let running: Started[] = [];

beforeAll(() => program.build());
afterAll(() => program.remove());

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-reserve-"));
  socket = path.join(dir, "run", "monitor.sock");
  running = [];
});
afterEach(async () => {
  for (const one of running) {
    one.child.kill("SIGKILL");
    await one.exited();
  }
  fs.rmSync(dir, { recursive: true });
});

function start(...args: string[]): Started {
  const started = program.start(...args);
  running.push(started);
  return started;
}

async function startMonitor(): Promise<Started> {
  const ports = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
  const monitor = start(...ports, "--status", socket);
  await until("it measures", async () => {
    const text = await fetchText(socket, "/status").catch(() => "{}");
    const { monitor: known } = JSON.parse(text) as { monitor?: { memory: { needBytes: unknown } } };
    return known?.memory.needBytes ?? null;
  });
  return monitor;
}

/** No agent makes this machine larger: a mebibyte is there, and a pebibyte never will be. */
const reserve = (...args: string[]) => start("reserve", "--status", socket, ...args);
const small = (...args: string[]) => reserve("--memory", "1Mi", ...args);
const huge = (...args: string[]) => reserve("--memory", "1000Ti", ...args);

async function active(): Promise<ReservationsView["active"]> {
  return (JSON.parse(await fetchText(socket, "/reservations")) as ReservationsView).active;
}

const untilActive = (count: number) =>
  until(`${count} reservations are active`, async () => {
    const rows = await active();
    return rows.length === count ? rows : null;
  });

/** A command that says that it runs, and ends once it may. */
const touch = (name: string) => `touch ${path.join(dir, name)}`;
const untilFile = (name: string) =>
  until(`${name} is there`, () => (fs.existsSync(path.join(dir, name)) ? true : null), 20_000);
const waitForGo = () => `${touch("started")}; while [ ! -e ${dir}/go ]; do sleep 0.02; done`;

/** Several programs are started one after the other. */
const SLOW = { timeout: 30_000 };

describe("a command with its reservation", () => {
  test("runs once it is granted, with its output and exit code, and gives back", async () => {
    await startMonitor();
    const run = small("--reason", "a test", "--", "sh", "-c", `${waitForGo()}; echo done; exit 7`);
    await untilFile("started");
    expect(await untilActive(1)).toMatchObject([
      {
        ...{ door: "command", reason: "a test", state: "granted", holdLeftMs: null },
        ...{ owner: os.userInfo().username, memBytes: 1024 ** 2 },
      },
    ]);
    fs.writeFileSync(path.join(dir, "go"), "");
    expect(await run.exited()).toBe(7);
    expect(run.out).toBe("done\n");
    expect(run.err).toBe("");
    await untilActive(0);
  });

  test.for(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "%s goes to the command, which decides; then it is given back",
    async (signal) => {
      await startMonitor();
      const name = signal.slice(3);
      const run = small(
        "--",
        "sh",
        "-c",
        `trap 'echo got ${name}; exit 5' ${name}; ${waitForGo()}`,
      );
      await untilFile("started");
      run.child.kill(signal);
      expect(await run.exited()).toBe(5);
      expect(run.out).toBe(`got ${name}\n`);
      await untilActive(0);
    },
  );

  test("a command that a signal ends: 128 and its number, as a shell says it", async () => {
    await startMonitor();
    const run = small("--", "sh", "-c", "kill -9 $$");
    expect(await run.exited()).toBe(137);
    await untilActive(0);
  });

  test("killed while it waits: nothing is left", async () => {
    await startMonitor();
    const waiting = huge("--wait", "1h", "--", "true");
    await untilActive(1);
    waiting.child.kill("SIGKILL");
    await untilActive(0);
  });

  test("killed while the command runs: that keeps its reservation, which ends with it", async () => {
    const monitor = await startMonitor();
    const run = small("--", "sh", "-c", waitForGo());
    await untilFile("started");
    run.child.kill("SIGKILL");
    await until("it is dead", () => run.child.signalCode);
    // Whatever the monitor has heard of the death it has heard when it answers this.
    await fetchText(socket, "/status");
    expect(await active()).toMatchObject([{ state: "granted" }]);
    fs.writeFileSync(path.join(dir, "go"), "");
    await untilActive(0);
    expect(monitor.child.exitCode).toBeNull();
  });

  test("a process that the command left behind keeps nothing", async () => {
    await startMonitor();
    const run = small("--", "sh", "-c", `{ ${waitForGo()}; touch ${dir}/over; } >/dev/null 2>&1 &`);
    expect(await run.exited()).toBe(0);
    await untilFile("started");
    await untilActive(0);
    fs.writeFileSync(path.join(dir, "go"), "");
    await untilFile("over");
  });

  test("its time is over: it is given back and said; the command goes on", async () => {
    await startMonitor();
    const run = small("--for", "100ms", "--", "sh", "-c", waitForGo());
    await untilFile("started");
    await untilActive(0);
    await until("it is said", () => (run.err.includes("the command goes on") ? true : null));
    fs.writeFileSync(path.join(dir, "go"), "");
    expect(await run.exited()).toBe(0);
    expect(run.err).toBe(
      "selfscale-monitor: the reservation has ended (its time is over); the command goes on\n",
    );
  });

  test("the monitor dies: it is said, and the command goes on", async () => {
    const monitor = await startMonitor();
    const run = small("--", "sh", "-c", waitForGo());
    await untilFile("started");
    monitor.child.kill("SIGKILL");
    await until("it is said", () => (run.err.includes("the monitor is gone") ? true : null));
    fs.writeFileSync(path.join(dir, "go"), "");
    expect(await run.exited()).toBe(0);
  });

  test(
    "another monitor after it has the reservation from its first moment, and keeps it for as long as was asked",
    SLOW,
    async () => {
      const first = await startMonitor();
      const run = small("--for", "1h", "--", "sh", "-c", waitForGo());
      await untilFile("started");
      const [before] = await untilActive(1);
      // It can't ask again, so what the next monitor knows it knows by itself.
      run.child.kill("SIGSTOP");
      first.child.kill("SIGKILL");
      await first.exited();
      await startMonitor();
      const [kept] = await active();
      expect(kept).toMatchObject({ id: before?.id, state: "granted", answer: { reason: "found" } });
      expect(kept?.holdLeftMs).toBeLessThanOrEqual(CLAIM_MS);
      run.child.kill("SIGCONT");
      const claimed = await until("it has asked again", async () => {
        const [row] = await active();
        return (row?.holdLeftMs ?? 0) > CLAIM_MS ? row : null;
      });
      expect(claimed).toMatchObject({ id: before?.id, door: "command", memBytes: 1024 ** 2 });
      expect(claimed?.holdLeftMs).toBeLessThanOrEqual(before?.holdLeftMs ?? 0);
      fs.writeFileSync(path.join(dir, "go"), "");
      expect(await run.exited()).toBe(0);
      await untilActive(0);
      expect(run.err).toBe(
        "selfscale-monitor: the monitor is gone; the command goes on, and reserves again when there is one\n" +
          "selfscale-monitor: the monitor is there again, and has the reservation\n",
      );
    },
  );

  test(
    "another monitor that knows nothing is asked again; and again, should it die too",
    SLOW,
    async () => {
      const run = await (async () => {
        const first = await startMonitor();
        const one = small("--", "sh", "-c", waitForGo());
        await untilFile("started");
        first.child.kill("SIGKILL");
        await first.exited();
        return one;
      })();
      for (let time = 0; time < 2; time += 1) {
        fs.rmSync(`${socket}.granted`);
        const next = await startMonitor();
        expect(await untilActive(1)).toMatchObject([{ state: "granted", holdLeftMs: null }]);
        next.child.kill("SIGKILL");
        await next.exited();
      }
      fs.writeFileSync(path.join(dir, "go"), "");
      expect(await run.exited()).toBe(0);
    },
  );

  test("its time is over while no monitor is there: it is not asked for again", SLOW, async () => {
    const first = await startMonitor();
    const run = small("--for", "1s", "--", "sh", "-c", waitForGo());
    await untilFile("started");
    first.child.kill("SIGKILL");
    await until("it is said", () => (run.err.includes("(its time is over)") ? true : null));
    await startMonitor();
    await untilActive(0);
    fs.writeFileSync(path.join(dir, "go"), "");
    expect(await run.exited()).toBe(0);
  });

  test("who never asks again holds nothing for ever", SLOW, async () => {
    const first = await startMonitor();
    const run = small("--", "sh", "-c", waitForGo());
    await untilFile("started");
    run.child.kill("SIGKILL");
    first.child.kill("SIGKILL");
    await first.exited();
    // As if its half minute were over.
    const file = `${socket}.granted`;
    const left = JSON.parse(fs.readFileSync(file, "utf8")) as { rows: { endsMs: number | null }[] };
    expect(left.rows.map(({ endsMs }) => endsMs)).toEqual([null]);
    const soonMs = Number(process.hrtime.bigint() / 1_000_000n) + 1;
    for (const row of left.rows) row.endsMs = soonMs;
    fs.writeFileSync(file, JSON.stringify(left));
    await startMonitor();
    await untilActive(0);
    fs.writeFileSync(path.join(dir, "go"), "");
  });

  test.for<[string, number, string]>([
    ["there-is-no-such-command", 127, "ENOENT"],
    ["/dev/null", 126, "EACCES"],
  ])("%s can't be run: %i", async ([command, exitCode, problem]) => {
    await startMonitor();
    const run = small("--", command);
    expect(await run.exited()).toBe(exitCode);
    expect(run.err).toContain(problem);
    await untilActive(0);
  });
});

describe("not granted", () => {
  test("the command does not run; exit code 124 and who is in the way", async () => {
    await startMonitor();
    const run = huge("--wait", "50ms", "--", "sh", "-c", touch("started"));
    expect(await run.exited()).toBe(124);
    expect(run.err).toBe(
      "selfscale-monitor: not granted: not there in time: no agent is connected that could make the machine larger\n",
    );
    expect(fs.existsSync(path.join(dir, "started"))).toBe(false);
    expect(await active()).toEqual([]);
  });

  test("--if-refused proceed: it runs with what is there", async () => {
    await startMonitor();
    const run = huge("--wait", "50ms", "--if-refused", "proceed", "--", "sh", "-c", "echo ran");
    expect(await run.exited()).toBe(0);
    expect(run.out).toBe("ran\n");
  });

  test("no monitor: exit code 125 at once", async () => {
    const run = small("--", "sh", "-c", touch("started"));
    expect(await run.exited()).toBe(125);
    expect(run.err).toContain(`selfscale-monitor: no monitor answers on ${socket}: connect ENOENT`);
    expect(fs.existsSync(path.join(dir, "started"))).toBe(false);
  });

  test("no monitor, and --if-refused proceed: said, and run", async () => {
    const run = small("--if-refused", "proceed", "--", "sh", "-c", "exit 3");
    expect(await run.exited()).toBe(3);
    expect(run.err).toContain("; the command runs all the same\n");
  });

  test("a monitor that dies while it waits: 125", async () => {
    const monitor = await startMonitor();
    const run = huge("--wait", "1h", "--", "true");
    await untilActive(1);
    monitor.child.kill("SIGKILL");
    expect(await run.exited()).toBe(125);
    expect(run.err).toContain("no monitor answers on");
  });

  test("a mistake in the options: exit code 2", async () => {
    const run = reserve("--memory", "much", "--", "true");
    expect(await run.exited()).toBe(2);
    expect(run.err).toContain('--memory: "much" is not accepted');
  });
});

test("status and explain tell of it", async () => {
  await startMonitor();
  const run = small("--reason", "a test", "--", "sh", "-c", waitForGo());
  await untilFile("started");
  const status = start("status", "--status", socket);
  expect(await status.exited()).toBe(0);
  const user = os.userInfo().username;
  expect(status.out).toMatch(
    new RegExp(`^reserved +1 MiB +by ${user} \\(a test\\): granted$`, "m"),
  );
  const explain = start("explain", "--status", socket);
  expect(await explain.exited()).toBe(0);
  expect(explain.out).toContain(`Reserved: 1 MiB for ${user} (a test), until it is released.`);
  const json = start("explain", "--json", "--status", socket);
  expect(await json.exited()).toBe(0);
  expect(JSON.parse(json.out)).toHaveProperty("explanation");
  fs.writeFileSync(path.join(dir, "go"), "");
  expect(await run.exited()).toBe(0);
});
