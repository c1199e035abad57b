// Where on 127.0.0.1 a guest's ports are. QEMU chooses them, so that two guests can't want the same.

/** The guest's ports as they appear on 127.0.0.1. */
export type Ports = Readonly<{ monitor: number; metrics: number; postgres: number; exec: number }>;

const GUEST_PORTS: Ports = { monitor: 10301, metrics: 9100, postgres: 5432, exec: 10400 };
const NAMES = Object.keys(GUEST_PORTS) as (keyof Ports)[];

/** For QEMU's user network. Without ports QEMU takes free ones, see `parseForwards`. */
export function forwardArgs(ports: Ports | null): string {
  return NAMES.map(
    (name) => `,hostfwd=tcp:127.0.0.1:${ports?.[name] ?? 0}-:${GUEST_PORTS[name]}`,
  ).join("");
}

/** Reads the answer to `info usernet`; null while a forward is missing. */
export function parseForwards(text: string): Ports | null {
  // Protocol[State] FD Source-Address Port Dest.-Address Port RecvQ SendQ
  const rows = text.matchAll(/TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)\s+\S+\s+(\d+)\s/g);
  const byGuestPort = new Map([...rows].map(([, host, guest]) => [Number(guest), Number(host)]));
  const found = NAMES.map((name) => [name, byGuestPort.get(GUEST_PORTS[name])] as const);
  return found.every(([, port]) => port !== undefined)
    ? (Object.fromEntries(found) as Ports)
    : null;
}
