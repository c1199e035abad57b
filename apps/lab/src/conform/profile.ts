// What is known of kinds of peers. A deviation is documented here and nowhere else.
import { type ProfileName } from "../cli.ts";
import { type Profile } from "./run.ts";

const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  selfscale: { name: "selfscale", deviations: {} },
  "deployed-v1": { name: "deployed-v1", deviations: {} },
};

export function profileNamed(name: ProfileName): Profile {
  return PROFILES[name];
}
