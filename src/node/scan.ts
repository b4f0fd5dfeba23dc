// A scan: what Keystone holds of the agreed domains, which of what was last seen is gone, and the canary before and after:
// what it says holds for what was read in between only if it said so both times, for a second restore may bring Keystone
// forward again (the simulator's seed 30366).
import type { CanaryFound } from "../core/canary.ts";
import { type DomainView, type Held, isSameValues, type Seen, valuesOf } from "../core/keystone-view.ts";
import { KEYSTONE_CONNECTIONS_MAX } from "../core/limits.ts";
import { type KeystoneApi, KeystoneError, type ProjectObject } from "../keystone/api.ts";
import type { CanaryKeeper } from "./canary-keeper.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";
import { isOwnTool } from "./own-projects.ts";
import { lookFor, type UnseenDomain } from "./sight.ts";

export type DomainScan = {
  readonly domain: DomainView;
  readonly held: ReadonlyMap<string, Held>;
  readonly gone: ReadonlySet<string>;
};
export type Scan = {
  readonly domains: readonly DomainScan[];
  /** Agreed domains that our login doesn't see: they were not looked at. */
  readonly unseen: readonly UnseenDomain[];
  readonly canary: CanaryFound;
  /** Whether the canary stood the same before the scan. */
  readonly isSteady: boolean;
  /** The share of what was last seen that is still there unchanged, 0 to 1. */
  readonly remaining: number;
};

export async function scanKeystone(
  domains: readonly DomainView[],
  parts: { api: KeystoneApi; memory: KeystoneMemory; canary: CanaryKeeper },
): Promise<Scan> {
  const { seen, unseen } = lookFor(domains, await parts.api.scope());
  const before = await parts.canary.find();
  const scans: DomainScan[] = [];
  for (const domain of seen) scans.push(await scanDomain(domain, parts));
  const canary = await parts.canary.find();
  return {
    domains: scans,
    unseen,
    canary,
    isSteady: JSON.stringify(before) === JSON.stringify(canary),
    remaining: remainingShare(scans, parts.memory),
  };
}

async function scanDomain(
  domain: DomainView,
  { api, memory }: { api: KeystoneApi; memory: KeystoneMemory },
): Promise<DomainScan> {
  const held = new Map<string, Held>();
  const itself = await api.getProject(domain.domainId);
  if (itself?.isDomain) held.set(itself.id, itself);
  for (const project of itself === undefined ? [] : await api.listProjects(domain.domainId))
    if (project.domainId === domain.domainId && !isOwnTool(project, memory)) held.set(project.id, project);
  const missing = [...memory.seenIn(domain.set)].filter(([id, row]) => row.present && !held.has(id)).map(([id]) => id);
  const gone = new Set<string>();
  // A list can miss what is there: only a read of its own tells that something is gone.
  for (let at = 0; at < missing.length; at += KEYSTONE_CONNECTIONS_MAX) {
    await Promise.all(
      missing.slice(at, at + KEYSTONE_CONNECTIONS_MAX).map(async (id) => {
        if (await isGone(id, { domain, itself, api })) gone.add(id);
      }),
    );
  }
  return { domain, held, gone };
}

/** What Keystone holds of these objects alone, by domain. Objects of no agreed domain are in none. */
export async function scanObjects(
  ids: readonly string[],
  domains: readonly DomainView[],
  { api, memory }: { api: KeystoneApi; memory: KeystoneMemory },
): Promise<DomainScan[]> {
  const found = new Map<string, ProjectObject | undefined>();
  const read = async (id: string) => {
    try {
      found.set(id, await api.getProject(id));
    } catch (error) {
      // A login for some domains is told 403 of what stands in another one: that is no concern of ours.
      if (!(error instanceof KeystoneError) || error.code !== "FORBIDDEN") throw error;
    }
  };
  for (let at = 0; at < ids.length; at += KEYSTONE_CONNECTIONS_MAX)
    await Promise.all(ids.slice(at, at + KEYSTONE_CONNECTIONS_MAX).map(read));
  return domains.flatMap((domain) => {
    const rows = memory.seenIn(domain.set);
    const held = new Map<string, Held>();
    const gone = new Set<string>();
    for (const [id, object] of found) {
      if (object === undefined && rows.get(id)?.present === true) gone.add(id);
      if (object === undefined || isOwnTool(object, memory)) continue;
      if (object.isDomain ? id === domain.domainId : object.domainId === domain.domainId) held.set(id, object);
    }
    return held.size + gone.size === 0 ? [] : [{ domain, held, gone }];
  });
}

/** A login for some domains is told 403 of what stands in another one: that is no 404. */
async function isGone(
  id: string,
  { domain, itself, api }: { domain: DomainView; itself: ProjectObject | undefined; api: KeystoneApi },
): Promise<boolean> {
  if (id === domain.domainId) return itself === undefined;
  try {
    return (await api.getProject(id)) === undefined;
  } catch (error) {
    if (error instanceof KeystoneError && error.code === "FORBIDDEN") return false;
    throw error;
  }
}

function remainingShare(scans: readonly DomainScan[], memory: KeystoneMemory): number {
  let known = 0;
  let unchanged = 0;
  const isUnchanged = (row: Seen, held: Held | undefined) =>
    held !== undefined && isSameValues(row.values, valuesOf(held));
  for (const { domain, held } of scans) {
    for (const [id, row] of memory.seenIn(domain.set)) {
      if (!row.present) continue;
      known += 1;
      if (isUnchanged(row, held.get(id))) unchanged += 1;
    }
  }
  return known === 0 ? 1 : unchanged / known;
}
