// One wait on the outside: it ends by itself, at a deadline, or by the caller's signal, and
// whichever way it ends, its timer and its listener are gone.

/** How long a wait may last, and who may end it early. */
export type Limits = Readonly<{ timeoutMs: number; signal: AbortSignal | null }>;

/** What the caller of one command may set. */
export type QmpCallOptions = Readonly<{
  /** Deadline of this call; the client's `commandTimeoutMs` by default. */
  timeoutMs?: number;
  /** Aborting rejects with the signal's reason. The command may run all the same. */
  signal?: AbortSignal;
}>;

/** setTimeout takes no more, and fires at once when given more. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export type Settlers<T> = Readonly<{
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}>;

/**
 * Runs `start`, which begins the wait and returns how to give it up. On the deadline or an abort
 * the wait is given up first, then the promise rejects with `onDeadline()` or the signal's
 * reason.
 */
export function waitWithin<T>(
  limits: Limits,
  onDeadline: () => Error,
  start: (settlers: Settlers<T>) => () => void,
): Promise<T> {
  const { timeoutMs, signal } = limits;
  if (!(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) {
    return Promise.reject(
      new RangeError(`timeoutMs is ${timeoutMs}: expected more than 0, at most ${MAX_TIMEOUT_MS}`),
    );
  }
  return new Promise<T>((resolve, reject) => {
    signal?.throwIfAborted(); // inside a promise's executor: it rejects
    let giveUp: () => void = () => undefined;
    const release = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const end = (reason: unknown) => {
      release();
      giveUp();
      // The signal's reason is the caller's own value, whatever it is.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      reject(reason);
    };
    const onAbort = () => {
      end(signal?.reason);
    };
    const timer = setTimeout(() => {
      end(onDeadline());
    }, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    giveUp = start({
      resolve: (value) => {
        release();
        resolve(value);
      },
      reject: (error) => {
        release();
        reject(error);
      },
    });
  });
}
