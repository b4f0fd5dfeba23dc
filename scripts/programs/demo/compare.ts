// What a Keystone must hold, compared with what it answers through its plain API; the first difference is an error.
import { isDeepStrictEqual } from "node:util";
import { eventually } from "../../../test/fixtures/eventually.ts";
import type { PlainProject } from "../../../test/fixtures/keystone-admin.ts";
import type { Cloud } from "./clouds.ts";

const FIELDS = ["id", "domain_id", "parent_id", "name", "description", "enabled", "tags"] as const;

/** How long a difference may last: far longer than any should, so that a busy machine is no failure. */
export const PATIENCE_MS = 90_000;

/** How long each change took from its acceptance until it was readable there, by cloud, in milliseconds. */
export type Latencies = Map<string, number[]>;

/** A project as it must be, or the ID of one that must be gone. */
export type Expected = PlainProject | { readonly gone: string };

/** Waits until a cloud's Keystone holds exactly this. Throws the difference that stays. */
export async function seenIn(cloud: Cloud, expected: Expected, latencies: Latencies): Promise<void> {
  const acceptedMs = performance.now();
  await eventually(() => compare(cloud, expected), { withinMs: PATIENCE_MS });
  const list = latencies.get(cloud.letter) ?? [];
  latencies.set(cloud.letter, [...list, performance.now() - acceptedMs]);
}

async function compare(cloud: Cloud, expected: Expected): Promise<void> {
  const id = "gone" in expected ? expected.gone : expected.id;
  const found = await cloud.admin.get(id);
  const difference = firstDifference(found, expected);
  if (difference !== undefined) throw new Error(`Keystone ${cloud.letter}, project ${id}: ${difference}`);
}

export function firstDifference(found: PlainProject | undefined, expected: Expected): string | undefined {
  if ("gone" in expected) return found === undefined ? undefined : "it is still there, and was deleted elsewhere";
  if (found === undefined) return `it is not there (404), and is to be ${JSON.stringify(expected.name)}`;
  for (const field of FIELDS) {
    const [here, there] = [inOrder(found[field]), inOrder(expected[field])];
    if (!isDeepStrictEqual(here, there))
      return `${field} is ${JSON.stringify(here)}, and is to be ${JSON.stringify(there)}`;
  }
  return undefined;
}

/** Tags are a set: Keystone answers them in any order. */
function inOrder(value: PlainProject[(typeof FIELDS)[number]]): unknown {
  return Array.isArray(value) ? [...value].sort() : value;
}

/** Compares a domain's whole list of projects in all clouds with the first's. Answers how many there are. */
export async function sameEverywhere(clouds: readonly Cloud[], domainId: string): Promise<number> {
  const [first, ...others] = await Promise.all(
    clouds.map(async (cloud) => ({ cloud, list: await cloud.admin.list(domainId) })),
  );
  for (const { cloud, list } of others) {
    for (const expected of first?.list ?? []) {
      const difference = firstDifference(
        list.find(({ id }) => id === expected.id),
        expected,
      );
      if (difference !== undefined) throw new Error(`Keystone ${cloud.letter}, project ${expected.id}: ${difference}`);
    }
    const extra = list.find(({ id }) => first?.list.every((expected) => expected.id !== id));
    if (extra !== undefined)
      throw new Error(
        `Keystone ${cloud.letter}, project ${extra.id} (${extra.name}): Keystone ${first?.cloud.letter} has none such`,
      );
  }
  return first?.list.length ?? 0;
}
