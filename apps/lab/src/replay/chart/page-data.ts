// What the command writes into a page and the page's script reads: all of a run at full resolution.

/** Numbers of 32 bits, little end first, deflated, as base64. One per tick. */
export type Packed = string;

export type PagePolicy = Readonly<{
  name: string;
  /** Ready to be shown, in the order of the page's `scoreHead`. */
  scores: readonly string[];
  /** vCPUs and GiB: what it has, and what it wants. */
  cpu: Packed;
  wantCpu: Packed;
  memGib: Packed;
  wantMemGib: Packed;
  /** CU. */
  paid: Packed;
  /** How long work that comes now will wait, milliseconds. */
  waitMs: Packed;
  /** Ticks at which the OOM killer came. */
  oomTicks: readonly number[];
}>;

export type PageData = Readonly<{
  title: string;
  /** What the machine was, and how much of it is seen. */
  facts: readonly string[];
  notes: readonly string[];
  ticks: number;
  tickSec: number;
  /** CU per vCPU and per GiB. */
  prices: Readonly<{ perCpu: number; perGib: number }>;
  demand: Readonly<{
    cpu: Packed;
    /** Of processes. */
    anonGib: Packed;
    /** The size in which processes, file pages in use and the kernel fit. */
    memGib: Packed;
  }>;
  scoreHead: readonly Readonly<{ name: string; help: string }>[];
  policies: readonly PagePolicy[];
}>;
