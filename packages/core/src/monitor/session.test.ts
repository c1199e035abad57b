// What is said on a link, frame by frame.
import { describe, expect, test } from "vitest";
import { MIB, TestGuest, size } from "./testing/guest.ts";

const CONFIG = { rMaxBytesPerSec: 200 * MIB, tReactStartMs: 400 };

function connected(
  version: number,
  config: ConstructorParameters<typeof TestGuest>[0] = CONFIG,
): TestGuest {
  const guest = new TestGuest(config);
  guest.run(1_000);
  guest.connect(version);
  return guest;
}

const texts = (guest: TestGuest) =>
  guest.actions.flatMap((action) => (action.kind === "send-frame" ? [action.text] : []));

function hear(guest: TestGuest, text: string): string[] {
  const before = texts(guest).length;
  guest.feed({ kind: "frame-received", link: guest.link?.number ?? 0, text });
  return texts(guest).slice(before);
}

describe("version 1, byte for byte", () => {
  test.for([
    {
      name: "health",
      frame: '{"content":{},"type":"HealthCheck","id":2}\n',
      answer: '{"type":"HealthCheck","id":2}',
    },
    {
      name: "a grant",
      frame:
        '{"content":{"granted":{"cpu":1,"mem":4294967296}},"type":"UpscaleNotification","id":6}',
      answer: '{"type":"UpscaleConfirmation","id":6}',
    },
    {
      name: "a shrink that fits",
      frame: '{"content":{"target":{"cpu":1,"mem":536870912}},"type":"DownscaleRequest","id":4}',
      answer: '{"type":"DownscaleResult","Ok":true,"Status":"nothing to give back","id":4}',
    },
    {
      name: "an unknown type keeps the link",
      frame: '{"content":{},"type":"Riddle","id":10}',
      answer: '{"type":"InvalidMessage","error":"unknown type \\"Riddle\\"","id":10}',
    },
    {
      name: "version 2 on a version-1 link is not known",
      frame:
        '{"content":{"outcome":"accepted","resources":{"cpu":{"outcome":"accepted"},"mem":{"outcome":"accepted"}},"permit":{"cpu":1,"mem":1}},"type":"ScaleResponse","id":8}',
      answer: '{"type":"InvalidMessage","error":"ScaleResponse is not spoken on version 1","id":8}',
    },
  ])("$name", ({ frame, answer }) => {
    const guest = connected(1);
    guest.run(2_000);
    expect(hear(guest, frame)).toEqual([answer]);
  });

  test.for(["InvalidMessage", "InternalError"])("%s is never answered", (type) => {
    const guest = connected(1);
    expect(hear(guest, `{"content":{"error":"no"},"type":"${type}","id":3}`)).toEqual([]);
    expect(guest.state.counters.rejected).toBe(1);
    expect(guest.state.session).not.toBeNull();
  });

  test("a refusal says no more than version 1 knows", () => {
    const guest = connected(1);
    guest.usedBytes = 400 * MIB;
    guest.run(2_000);
    const [answer] = hear(
      guest,
      '{"content":{"target":{"cpu":1,"mem":268435456}},"type":"DownscaleRequest","id":4}',
    );
    expect(answer).toMatch(/^\{"type":"DownscaleResult","Ok":false,"Status":"[^"]+","id":4\}$/);
  });

  test("CPU is left to the agent, which sees it in the load average", () => {
    const guest = connected(1);
    guest.run(2_000);
    guest.cpuDemand = 3;
    guest.run(3_000);
    expect(guest.frames.some((frame) => frame.type === "UpscaleRequest")).toBe(false);
  });

  test("what was agreed to stays offline until more is granted", () => {
    const guest = connected(1);
    guest.presentCpus = 3;
    guest.onlineCpus = 3;
    guest.run(2_000);
    expect(guest.ask(size(1, 512))).toMatchObject({ Ok: true });
    guest.run(60_000);
    expect(guest.onlineCpus).toBe(1);
    const granted = { cpu: 2, mem: 512 * MIB };
    guest.tell({ type: "UpscaleNotification", content: { granted }, id: 40 });
    guest.run(1_000);
    expect(guest.onlineCpus).toBe(2);
  });

  test("a probe that nobody complains of was understood: levels are stated from then on", () => {
    const guest = connected(1, { ...CONFIG, probeScaleRequest: true });
    guest.run(500);
    guest.usedBytes = 400 * MIB;
    guest.run(1_000);
    expect(guest.sizes).toHaveLength(1); // one at a time while it is not known
    guest.run(2_000);
    expect(guest.sizes.length).toBeGreaterThan(1);
    expect(guest.frames.some((frame) => frame.type === "UpscaleRequest")).toBe(false);
    // The draft's agents know no more than the target.
    expect(texts(guest).at(-1)).toMatch(/^\{"type":"ScaleRequest","target":\{[^}]+\},"id":\d+\}$/);
  });

  test("who understood the probe hears when less is enough, once the size was told", () => {
    const guest = new TestGuest({ ...CONFIG, probeScaleRequest: true });
    guest.actual = size(1, 2048);
    guest.run(1_000);
    guest.connect(1);
    guest.run(200_000);
    expect(guest.sizes.at(-1)?.size.memBytes).toBe(2048 * MIB);
    const granted = { cpu: 1, mem: 2048 * MIB };
    guest.tell({ type: "UpscaleNotification", content: { granted }, id: 400 });
    guest.run(5_000);
    expect(guest.sizes.at(-1)?.size.memBytes).toBeLessThan(1024 * MIB);
  });

  test("only the probe's own refusal is one", () => {
    const guest = connected(1, { ...CONFIG, probeScaleRequest: true });
    guest.run(500);
    hear(guest, '{"content":{"error":"of something else"},"type":"InvalidMessage","id":99}');
    expect(guest.state.session?.probe.kind).toBe("tried");
    hear(guest, '{"content":{"error":"unknown type"},"type":"InvalidMessage","id":3}');
    expect(guest.state.session?.probe.kind).toBe("unknown");
  });
});

describe("version 2", () => {
  test("our ids are odd, from 3, and begin anew with each connection", () => {
    const guest = connected(2);
    guest.run(35_000);
    const ids = guest.frames.filter((frame) => frame.type === "ScaleRequest").map(({ id }) => id);
    expect(ids).toEqual([3, 5]);
    guest.connect(2);
    expect(guest.frames.at(-1)).toMatchObject({ type: "ScaleRequest", id: 3 });
  });

  test("the first level is what it has, by the agent's word", () => {
    const guest = new TestGuest(CONFIG);
    guest.quota = 0.25;
    guest.min = size(0.25, 256);
    guest.actual = size(0.25, 512);
    guest.run(1_000);
    guest.connect(2);
    expect(texts(guest).at(-1)).toBe(
      '{"type":"ScaleRequest","target":{"cpu":0.25,"mem":536870912},"reason":"start","id":3}',
    );
  });

  test("a raise tells how old the sample is that shows the need", () => {
    const guest = connected(2);
    guest.run(70_000);
    guest.usedBytes = 420 * MIB;
    guest.run(200);
    expect(texts(guest).at(-1)).toContain('"reason":"memory-emergency","ageMs":0,"id":');
  });

  test("what differs only beyond the bounds is not worth a frame", () => {
    const guest = connected(2);
    guest.max = size(1, 512);
    guest.report();
    guest.usedBytes = 300 * MIB;
    guest.run(1_000);
    const before = guest.sizes.length;
    guest.usedBytes = 380 * MIB;
    guest.run(2_000);
    expect(guest.sizes.length).toBe(before);
  });

  test("a refusal names the reason and what it would agree to, per resource", () => {
    const guest = connected(2);
    guest.actual = size(4, 1024);
    guest.presentCpus = 4;
    guest.onlineCpus = 4;
    guest.cpuDemand = 1.2;
    guest.usedBytes = 500 * MIB;
    guest.run(12_000);
    guest.report();
    expect(guest.ask(size(1, 1024))).toMatchObject({
      Ok: false,
      reason: "cpu",
      lowest: { cpu: 1.5, mem: 768 * MIB },
    });
    expect(guest.ask(size(4, 640))).toMatchObject({ Ok: false, reason: "memory" });
    expect(guest.ask(size(1.5, 1024))).toMatchObject({ Ok: true });
    expect(guest.ask(size(4, 768))).toMatchObject({ Ok: true });
  });

  test("a shrink is judged by this moment: a level that is still high does not hinder it", () => {
    const guest = connected(2);
    guest.usedBytes = 900 * MIB;
    guest.actual = size(1, 2048);
    guest.run(5_000);
    guest.report();
    guest.usedBytes = 85 * MIB;
    guest.run(2_000);
    expect(guest.ask(size(1, 512))).toMatchObject({ Ok: true });
  });

  test("consents that free nothing are given less and less often", () => {
    const guest = connected(2);
    guest.actual = size(1, 2048);
    guest.run(12_000);
    guest.report();
    const agreedAt: number[] = [];
    for (let second = 0; second < 200; second += 1) {
      guest.run(1_000);
      const answer = guest.ask(size(1, 1792));
      if (answer?.type === "DownscaleResult" && answer.Ok) agreedAt.push(second);
    }
    // The first failure is free, then 5 s, 10 s, 20 s, 40 s, 80 s.
    expect(agreedAt.map((at, index) => at - (agreedAt[index - 1] ?? at))).toEqual([
      0, 1, 5, 10, 20, 40, 80,
    ]);
  });

  test("CPUs the agent plugged come online by its notification, not by the wish alone", () => {
    const guest = new TestGuest(CONFIG);
    guest.quota = 1;
    guest.presentCpus = 4;
    guest.plugMs = 1e9; // this node is full
    guest.run(1_000);
    guest.connect(2);
    guest.cpuDemand = 3;
    guest.run(5_000);
    expect(guest.sizes.at(-1)?.size.milliCpu).toBeGreaterThanOrEqual(3_000);
    expect(guest.onlineCpus).toBe(1);
    guest.tell({
      type: "UpscaleNotification",
      content: { granted: { cpu: 3, mem: 512 * MIB } },
      id: 40,
    });
    expect(guest.onlineCpus).toBe(3);
  });

  describe("an agreement to use fewer CPUs, and a report from before the agent heard of it", () => {
    /** Six vCPUs without a quota, of which it agreed to use two. */
    const agreedToTwo = (): TestGuest => {
      const guest = new TestGuest(CONFIG);
      guest.max = size(6, 2560);
      guest.actual = size(6, 512);
      guest.presentCpus = 6;
      guest.onlineCpus = 6;
      guest.cpuDemand = 1.6;
      guest.run(1_000);
      guest.connect(2);
      guest.run(100_000);
      expect(guest.sizes.at(-1)?.size.milliCpu).toBe(2_000);
      expect(guest.ask(size(2, 512))).toMatchObject({ Ok: true });
      expect(guest.onlineCpus).toBe(2);
      guest.report(); // it was on its way when the agreement was sent
      return guest;
    };
    const raiseToThree = (guest: TestGuest): void => {
      guest.cpuDemand = 2.5;
      guest.run(1_000);
      expect(Math.ceil((guest.sizes.at(-1)?.size.milliCpu ?? 0) / 1000)).toBe(3);
    };

    test("a wish that rises brings back the CPUs that it wants, and no more", () => {
      const guest = agreedToTwo();
      raiseToThree(guest);
      expect(guest.onlineCpus).toBe(3);
      guest.report({ reason: "no-cpu-quota", requestedCpu: 2 }); // agreed, and not yet raised
      guest.report({ reason: "no-cpu-quota", requestedCpu: 3 });
      guest.run(20_000);
      expect(guest.onlineCpus).toBe(3);
      expect(guest.state.consented).toBeNull();
    });

    test("the rest comes back after its time, when the size did not follow", () => {
      const guest = agreedToTwo();
      const agreedAt = guest.now;
      raiseToThree(guest);
      guest.run(agreedAt + 9_900 - guest.now);
      expect(guest.onlineCpus).toBe(3);
      guest.run(200);
      expect(guest.onlineCpus).toBe(6);
    });

    test("a wish for all there is brings back all at once, and ends it", () => {
      const guest = agreedToTwo();
      guest.cpuDemand = 6;
      guest.run(1_000);
      expect(guest.onlineCpus).toBe(6);
      expect(guest.state.consented).toBeNull();
    });
  });
});

describe("an agent that names the largest size there is", () => {
  const largest = '{"cpu":1024,"mem":9007199254740991}';
  const open = (version: number): TestGuest => {
    const guest = new TestGuest(CONFIG);
    guest.run(1_000);
    guest.link = { number: 1, version };
    guest.feed({ kind: "link-opened", link: 1, version, features: [] });
    return guest;
  };

  test("in a notification: the level it starts from is a size still", () => {
    const guest = open(1);
    const text = `{"content":{"granted":${largest}},"type":"UpscaleNotification","id":2}`;
    expect(hear(guest, text)).toEqual(['{"type":"UpscaleConfirmation","id":2}']);
    guest.run(5_000);
  });

  test("in a report, on a grid that it does not lie on: so is what is asked for", () => {
    const guest = open(2);
    const step = '{"cpu":1.5,"mem":134217728}';
    const sizes = `"actual":${largest},"requested":${largest},"permit":${largest}`;
    const bounds = `{"min":{"cpu":1,"mem":1},"max":${largest}}`;
    hear(
      guest,
      `{"content":{${sizes},"bounds":${bounds},"step":${step}},"type":"SizeReport","id":2}`,
    );
    guest.run(5_000);
    expect(guest.sizes[0]?.size).toEqual({ milliCpu: 1_024_000, memBytes: 9007199254740991 });
  });
});

test("without an agent nothing is sent, and plugged CPUs are used when they are wanted", () => {
  const guest = new TestGuest(CONFIG);
  guest.presentCpus = 4;
  guest.run(5_000);
  guest.cpuDemand = 3;
  guest.run(3_000);
  expect(guest.frames).toEqual([]);
  expect(guest.onlineCpus).toBe(4);
});
