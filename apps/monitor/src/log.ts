import { type Logger, pino } from "pino";

/** JSON lines on standard error. */
export type Log = Logger;

/**
 * Synchronous on purpose: no worker thread, and the last words before an end are written. Whoever
 * reads them must keep up.
 */
export function createLog(level: string): Log {
  return pino(
    {
      level,
      base: null, // neither pid nor host name: the log's collector knows both
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
