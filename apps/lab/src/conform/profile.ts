// What is known of kinds of peers. A deviation is documented here and nowhere else.
import { type ProfileName } from "../cli.ts";
import { type Profile } from "./run.ts";

const DROPS = "drops the connection on whatever it can't read, without a reply";
const REFUSES_UNREAD = "drops the connection on a range that it can't read, without an error";

/** The Rust monitor inside compute_ctl. Observed on its own code, or read there. */
const DEPLOYED_MONITOR = {
  "transport/binary-frame": "binary frames are ignored",
  "transport/not-utf-8": DROPS,
  "transport/flood": "reads as fast as it can",
  "transport/close-codes": "never sends a close frame",
  "transport/frame-above-limit": "reads frames of up to 64 MiB",
  "transport/takeover-needs-range": "a new connection displaces the old one at its upgrade",
  "transport/silence": "waits for its agent for ever",
  "transport/takeover-bucket": "takeovers are not slowed",
  "handshake/min-above-max": REFUSES_UNREAD,
  "handshake/not-integers": REFUSES_UNREAD,
  "handshake/no-range": REFUSES_UNREAD,
  "handshake/above-ours": "its process aborts: it recurses while it words the error",
  "v1/mem-number-forms": "takes an integer literal only, and drops the connection on others",
  "v1/duplicate-keys": DROPS,
  "v1/unknown-type": DROPS,
  "v1/not-json": DROPS,
  "v1/no-id": DROPS,
  "v1/content-required": DROPS,
  "v1/bad-fields": DROPS,
  "v1/newer-is-unknown": DROPS,
  "v1/nonsense-limit": DROPS,
} as const;

/** Of the deployed agent; facts: docs/protocol.md, packages/protocol/golden/wire-v1.json. */
const DEPLOYED_AGENT = {
  "handshake/not-offered": "the deployed agent takes any version as it is",
  "handshake/no-version": "the deployed agent takes {} as version 0",
  "v1/malformed":
    "the deployed agent closes: 1007 on what is no JSON, 1011 on a missing id or type and on bad fields",
  "v1/scale-request":
    "the deployed agent answers every type that it does not know with InvalidMessage",
  "v1/nonsense-limit": "the deployed agent counts no nonsense",
  "v1/dead-link":
    "the deployed agent closes when health checks have failed for more than 30 s, after 35 to 45 s in all",
};

type Side = "agent" | "monitor";

const PROFILES: Readonly<Record<ProfileName, Readonly<Record<Side, Profile>>>> = {
  selfscale: {
    agent: { name: "selfscale", deviations: {} },
    monitor: { name: "selfscale", deviations: {} },
  },
  "deployed-v1": {
    agent: { name: "deployed-v1", deviations: DEPLOYED_AGENT },
    monitor: { name: "deployed-v1", deviations: DEPLOYED_MONITOR },
  },
};

/** What is known of this kind of peer on this side. Check ids of the two sides are not the same. */
export function profileNamed(name: ProfileName, side: Side): Profile {
  return PROFILES[name][side];
}
