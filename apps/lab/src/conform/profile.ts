// What is known of kinds of peers. A deviation is documented here and nowhere else.
import { type ProfileName } from "../cli.ts";
import { type Profile } from "./run.ts";

const DROPS = "drops the connection on whatever it can't read, without a reply";
const REFUSES_UNREAD = "drops the connection on a range that it can't read, without an error";

/** The Rust monitor inside compute_ctl. Observed on its own code, or read there. */
const DEPLOYED_MONITOR = {
  "transport/frame-above-limit": "reads frames of up to 64 MiB",
  "transport/takeover-needs-range": "a new connection displaces the old one at its upgrade",
  "transport/silence": "waits for its agent for ever",
  "transport/takeover-bucket": "takeovers are not slowed",
  "handshake/min-above-max": REFUSES_UNREAD,
  "handshake/not-integers": REFUSES_UNREAD,
  "handshake/no-range": REFUSES_UNREAD,
  "handshake/above-ours": "its process aborts: it recurses while it words the error",
  "v1/mem-number-forms": "takes an integer literal only, and drops the connection on others",
  "v1/unknown-type": DROPS,
  "v1/not-json": DROPS,
  "v1/no-id": DROPS,
  "v1/content-required": DROPS,
  "v1/bad-fields": DROPS,
  "v1/newer-is-unknown": DROPS,
  "v1/nonsense-limit": DROPS,
} as const;

const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  selfscale: { name: "selfscale", deviations: {} },
  "deployed-v1": { name: "deployed-v1", deviations: DEPLOYED_MONITOR },
};

export function profileNamed(name: ProfileName): Profile {
  return PROFILES[name];
}
