/** A programmer's mistake: something that our own code must never hand to this package. */
export class ProtocolAssertionError extends Error {
  override readonly name = "ProtocolAssertionError";
  readonly code = "PROTOCOL_ASSERTION";
}

/** `truth` states what must hold. Stays on in production. */
export function assert(holds: boolean, truth: string): asserts holds {
  if (!holds) throw new ProtocolAssertionError(truth);
}
