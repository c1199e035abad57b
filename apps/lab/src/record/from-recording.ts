// A monitor's recording with samples → a trace. CPU is what the counters grew by between two samples.
import {
  readRecordings,
  UnreadableRecordingError,
  type Recording,
  type SampleEvent,
} from "@selfscale/recording";
import { TRACE_HEAD, traceLine } from "./trace-csv.ts";

/** `notes`: what was left out. */
export type TraceText = Readonly<{ csv: string; notes: readonly string[] }>;

type Sample = Readonly<{ atMs: number }> & SampleEvent;

/** How every recording begins; a CSV never does. */
export function looksLikeRecording(text: string): boolean {
  return text.startsWith("{");
}

/** Throws UnreadableRecordingError. */
export function traceFromRecording(text: string): TraceText {
  const recordings = readRecordings(text);
  const runs = runsOf(recordings);
  const samples = runs.map(samplesOf).sort((a, b) => b.length - a.length);
  const [longest = [], ...others] = samples;
  if (longest.length < 3) {
    const apps = [...new Set(recordings.map(({ header }) => header.app))].join(" and ");
    throw new UnreadableRecordingError(
      `holds ${longest.length} samples of the ${apps}, expected many: start the monitor with --record-samples-every-ms`,
    );
  }
  const left = others.filter((one) => one.length > 0).length;
  const notes = [
    "file pages in use are taken to be all that were cached: replays keep too much rather than too little",
    ...(left > 0 ? [`${left} shorter runs of the monitor are left out`] : []),
  ];
  return { csv: TRACE_HEAD + longest.slice(1).map(lineBetween(longest)).join(""), notes };
}

/** Parts of one run of the monitor count from the same moment. */
function runsOf(recordings: readonly Recording[]): readonly (readonly Recording[])[] {
  const runs = new Map<string, Recording[]>();
  for (const one of recordings) {
    const name = `${one.header.startedAt} ${one.header.pid}`;
    runs.set(name, [...(runs.get(name) ?? []), one]);
  }
  return [...runs.values()];
}

function samplesOf(run: readonly Recording[]): readonly Sample[] {
  return run.flatMap(({ events }) =>
    events.filter((event): event is Extract<typeof event, Sample> => event.kind === "sample"),
  );
}

function lineBetween(samples: readonly Sample[]): (after: Sample, index: number) => string {
  return (after, index) => {
    const before = samples[index];
    if (before === undefined || after.atMs <= before.atMs) return "";
    const { mem } = before;
    const busyMs = Math.max(0, after.cpu.busyMs - before.cpu.busyMs);
    const cpu = busyMs / (after.atMs - before.atMs);
    const swappedBytes = mem.swapTotalBytes - mem.swapFreeBytes;
    return traceLine({
      atMs: before.atMs,
      // The counter was read up to a reading's pause before `atMs`: more than there is, is that.
      cpu: Math.min(cpu, after.cpu.onlineCount),
      memBytes: mem.anonBytes + mem.shmemBytes + swappedBytes,
      cacheBytes: Math.max(0, mem.cachedBytes - mem.shmemBytes),
    });
  };
}
