// Every number of the sizing policy that a person may move: what it is, its default, and what moving it costs. The unit is
// in the name. docs/policy.md shows the formulas, how the numbers were found, and prints this list as a table: a test keeps
// both the same. Values: presets.ts.
import { type HoldPolicy } from "./hold.ts";

/** How eagerly CPU grows and how patiently it falls. */
export type CpuPolicy = HoldPolicy &
  Readonly<{
    /**
     * Share of the CPU that is meant to be busy: what it grows to. Lower costs money; speed, not room, buys latency.
     * @default 0.85
     */
    busyTargetShare: number;
    /**
     * Share of busy CPU above which it grows. Higher saves money, and tasks queue before it grows.
     * @default 0.95
     */
    busyLimitShare: number;
    /**
     * Share of busy CPU that it shrinks to. Nearer to the limit saves money, and the next small rise is a resize.
     * @default 0.9
     */
    busyKeepShare: number;
    /**
     * The mean use of so long counts, for growing a little and for giving back. Longer smooths more and reacts later; a run
     * queue counts at once in any case.
     * @default 1 s
     */
    useWindowMs: number;
    /**
     * Share of busy CPU from which waiting tasks mean that CPU is short. Lower jumps while there is still room.
     * @default 0.95
     */
    saturatedShare: number;
    /**
     * Share of time in which somebody waits, that confirms it. 0.05 to 0.5 made no difference.
     * @default 0.15
     */
    pressureShare: number;
    /**
     * How long CPU must be short before a jump: one more reading. 1 s instead of 0.25 s makes the mean delay nine times longer.
     * @default 200 ms
     */
    confirmMs: number;
    /**
     * Shortest time between two jumps. Less jumps again before the last one shows.
     * @default 500 ms
     */
    attackPauseMs: number;
    /**
     * A jump goes to so many times of what there is at least, if so many tasks can run. Less creeps up, more overshoots.
     * @default 2
     */
    jumpLeast: number;
    /**
     * Up to this multiple of what there is a queue is believed: the jump goes to where all of it fits. Less takes several
     * jumps for a burst.
     * @default 4
     */
    jumpSure: number;
    /**
     * So much of a queue beyond that counts. More meets a flood of short tasks with CPUs that come too late for it.
     * @default 0.5
     */
    jumpBeyondShare: number;
    /**
     * The most that one jump multiplies by. Bounds what a false queue costs.
     * @default 8
     */
    jumpMax: number;
    /**
     * Any growth is at least this share of what there is. Less creeps by single steps, each a resize.
     * @default 0.15
     */
    growMinShare: number;
    /**
     * How long a jump is kept beyond what turned out to be needed: long enough to see what is. More costs idle CPU after each.
     * @default 1.5 s
     */
    jumpHoldMs: number;
    /**
     * For so long after a jump the work that had piled up is not taken for need: until the CPUs are there and it is done.
     * More lets CPUs go that are used, less keeps those that only caught up.
     * @default 2 s
     */
    catchUpMs: number;
    /**
     * Share of periods throttled, above which nothing is released to a fraction of a core. More saves CPU and costs latency.
     * @default 0.05
     */
    calmThrottledShare: number;
    /**
     * Tasks that wait on average before a queue needs no second reading; and, below the online CPUs, before the guest's own
     * signals count at all. Less takes the end of a quota's pause for a queue.
     * @default 2
     */
    surgeTasks: number;
    /**
     * Tasks that wait on average for each CPU before a queue needs no second reading. Less jumps by chance.
     * @default 1.5
     */
    surgePerCpu: number;
    /**
     * Runnable tasks that no pause of a quota explains: then a jump from a fraction of a core may pass one core. Less lets a
     * throttled guest ask for CPUs it has no use for.
     * @default 6
     */
    crowdTasks: number;
    /**
     * Each fraction of a core that was soon regretted doubles its hold, up to this multiple. Less resizes an idle guest for
     * each of its little jobs.
     * @default 16
     */
    regretMax: number;
    /**
     * How soon a burst that one core can serve makes a fraction regretted. More keeps idle guests at one core.
     * @default 1 min
     */
    regretWithinMs: number;
  }>;

/** How eagerly memory grows and how patiently it falls. */
export type MemoryPolicy = HoldPolicy &
  Readonly<{
    /**
     * Share of usable memory that non-reclaimable memory may fill. More saves memory, and leaves the kernel less for the rest.
     * @default 0.92
     */
    fillShare: number;
    /**
     * Over so long the slope of memory in use is taken, beside the last reading. Longer sees slow growth earlier, and
     * believes a growth for longer that is over.
     * @default 1 s
     */
    slopeWindowMs: number;
    /**
     * How far ahead the slope is followed to see whether it must grow. Less saves memory and meets fast growth late.
     * @default 1.5 s
     */
    leadMs: number;
    /**
     * How much further it is followed once it must grow, so that one jump is enough. What is not used goes after `jumpHoldMs`.
     * @default 3 s
     */
    aheadMs: number;
    /**
     * A growth is expected to go on to at most this multiple of what was seen of it. More takes a new connection for a flood.
     * @default 8
     */
    surgeFactor: number;
    /**
     * The most that following a slope adds. Bounds what one wrong guess costs.
     * @default 4 GiB
     */
    leadMaxBytes: number;
    /**
     * Share of usable memory in use, above which everything is urgent. Less multiplies the size for what would have fitted.
     * @default 0.88
     */
    emergencyShare: number;
    /**
     * What an emergency, or a kill for lack of memory, multiplies the size by. Less may need a second jump.
     * @default 1.5
     */
    emergencyFactor: number;
    /**
     * Stalls, swapping and pressure are urgent only while less than this share is available. More takes the copying of a large
     * file for an emergency.
     * @default 0.25
     */
    scarceShare: number;
    /**
     * Over so long pressure is looked at for that. Longer notices later.
     * @default 500 ms
     */
    emergencyWindowMs: number;
    /**
     * Share of that time lost waiting for memory, that is urgent then. Less multiplies the size for a short stall.
     * @default 0.1
     */
    emergencyPressureShare: number;
    /**
     * A growth is at least this share of the size, within the next two. More has fewer, larger steps.
     * @default 0.5
     */
    growShare: number;
    /**
     * The least that the share above comes to. Less creeps up in a small VM.
     * @default 128 MiB
     */
    growMinBytes: number;
    /**
     * The most that it comes to. More gives a large VM what it may not need, for `jumpHoldMs`.
     * @default 512 MiB
     */
    growMaxMinBytes: number;
    /**
     * What is desired stays this far above what can't be given back, whatever else is said. Less risks a kill.
     * @default 100 MiB
     */
    safetyBytes: number;
    /**
     * How long room for what might come next is kept when it did not come. Less grows again for the next part of the same work.
     * @default 10 s
     */
    jumpHoldMs: number;
    /**
     * The reserve is never less. Less saves memory in a small VM, which then meets a sudden allocation with less in hand.
     * @default 64 MiB
     */
    reserveMinBytes: number;
    /**
     * The reserve is never more, however slow and fast the machine is. More outlives faster allocations, in every VM.
     * @default 1 GiB
     */
    reserveMaxBytes: number;
    /**
     * The reserve is at most this multiple of what is in use: 2 lets a VM stand two thirds empty. More and a VM on a fast
     * machine grows while it idles; less and a small VM meets a sudden allocation with less in hand.
     * @default 2
     */
    reserveUseFactor: number;
    /**
     * A slower reaction is an incident, not a property of the machine: it is not counted. More lets one full node raise the
     * reserve for long.
     * @default 5 s
     */
    reactMaxMs: number;
    /**
     * Reactions measured before they replace the start value; until then they only raise it. Less trusts a lucky first few.
     * @default 5
     */
    reactEnough: number;
    /**
     * So far back it is looked for pressure, and for the least that the kernel itself took, before memory is given back.
     * Shorter gives back sooner after pressure.
     * @default 10 s
     */
    calmWindowMs: number;
    /**
     * Share of that time lost waiting for memory, above which nothing is released. More saves memory and costs stalls.
     * @default 0.001
     */
    calmPressureShare: number;
    /**
     * Cache read back after it was dropped, per second, from which on the cache is too small. More saves memory, costs reads.
     * @default 256 KiB
     */
    refaultBytesPerSec: number;
    /**
     * What such a cache is given: this share of the size more. More finds its size in fewer, larger steps.
     * @default 0.05
     */
    cacheStepShare: number;
    /**
     * For how long it is given that. Less saves memory, and work that comes back after a pause reads from disk.
     * @default 10 min
     */
    cacheHoldMs: number;
    /**
     * The longest that a cache is kept that was let go and missed again and again. Less reads the same data again each day.
     * @default 24 h
     */
    cacheHoldMaxMs: number;
    /**
     * Otherwise the claim of the cache falls by this share of the size in the time below. More gives back sooner what may be used.
     * @default 0.01
     */
    cacheProbeShare: number;
    /**
     * The time for that, and the shortest time between two growths for cache. Less moves both ways faster.
     * @default 6 s
     */
    cacheProbeEveryMs: number;
    /**
     * It falls no further at once than this share of the size below what is there: a larger step drops more before it is known
     * whether it was used.
     * @default 0.08
     */
    cacheShrinkShare: number;
    /**
     * What was given up and missed soon after, cache or the size that a kill taught, is kept so many times as long the next
     * time. Less makes the same mistake more often.
     * @default 4
     */
    againFactor: number;
    /**
     * Nothing is released this long after the OOM killer was at work. Less shrinks while what was killed starts anew.
     * @default 30 s
     */
    oomHoldMs: number;
    /**
     * So long it needs `emergencyFactor` times the size in which the kernel killed a process. Less saves memory, and the same
     * work is killed again sooner.
     * @default 10 min
     */
    oomKeepMs: number;
    /**
     * The longest that this becomes where it kills again and again. Less is killed every day by the same nightly job.
     * @default 24 h
     */
    oomKeepMaxMs: number;
    /**
     * No new consent so long after one that freed nothing; it doubles each time. Less asks a guest that can't unplug for ever.
     * @default 5 s
     */
    retryMinMs: number;
    /**
     * The longest that this becomes. More leaves memory unused for longer once the guest can give it back.
     * @default 5 min
     */
    retryMaxMs: number;
  }>;

/** All of it. Per VM. */
export type PolicyConfig = Readonly<{
  cpu: CpuPolicy;
  memory: MemoryPolicy;
  /**
   * Nothing is released so long after a start: until enough was seen. Less gives back what an hourly job would have shown.
   * @default 1 min
   */
  startHoldMs: number;
  /**
   * After a grant that fell short of what was wanted, nothing is released for so long: it would not come back soon.
   * @default 10 s
   */
  shortGrantHoldMs: number;
  /**
   * Samples older than this are stale: they may grow the VM, not shrink it. Below the time between two samples nothing
   * shrinks at all.
   * @default 2 s
   */
  staleMs: number;
}>;
