/** Monotonic milliseconds. Only differences mean anything; a clock jump can't reach it. */
export type MonoMs = number;
