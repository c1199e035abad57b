// Somebody else at the monitor's port: shakes hands as an agent does, so takes the link over, and asks for shrinks.
import { encodeFromAgent, encodeRange, offeredRange } from "@selfscale/protocol";
import { type Clock } from "../clock.ts";
import { type Random } from "../random.ts";
import { MIB } from "../units.ts";
import { type Connection, type Dialer, type Network } from "../wire.ts";

export function intrude(clock: Clock, random: Random, network: Network, forMs: number): void {
  const talk = (wire: Connection, id: number): void => {
    if (!wire.isOpenForDialer) return;
    const target = { cpu: 0.25, mem: random.between(2, 16) * 128 * MIB };
    wire.say(
      random.chance(0.5)
        ? encodeFromAgent({ type: "DownscaleRequest", content: { target }, id })
        : encodeFromAgent({ type: "UpscaleNotification", content: { granted: target }, id }),
    );
    clock.after(random.between(100, 1_500), () => talk(wire, id + 2));
  };
  const dialer: Dialer = {
    opened: (wire) => {
      wire.say(encodeRange(offeredRange()));
      clock.after(random.between(50, 500), () => talk(wire, 2));
      clock.after(forMs, () => wire.hangUp("done"));
    },
    failed: () => undefined,
    heard: () => undefined,
    closed: () => undefined,
  };
  network.dial(dialer);
}
