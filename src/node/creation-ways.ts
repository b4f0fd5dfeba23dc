// The ways in which projects with a chosen ID can come into this Keystone, as status tells them. A local ID with a mapping
// to the mesh's is none of them (ADR 0018).
import type { CreationWay, DriverState } from "../keystone/api.ts";

const NO_DATABASE: CreationWay = {
  way: "database",
  works: false,
  detail: "not set up: keystone.database in keymesh.yaml, with create: true",
};

/** Each way, in the order in which they are tried. */
export function creationWays({ explicitIds, detail, ways }: DriverState): readonly CreationWay[] {
  return ways ?? [{ way: "driver", works: explicitIds, detail }, NO_DATABASE];
}
