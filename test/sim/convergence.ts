// The end of a run: faults end, and within a bounded time every node must say what the oracle says, and every Keystone hold
// it. The oracle reads the ledger of all that was ever signed, and shares no code with the core.
import type { Entry } from "../../src/core/entry.ts";
import type { Action } from "../../src/core/plan.ts";
import type { SetName } from "../../src/core/set-name.ts";
import { isWaiting } from "../../src/node/keystone-memory.ts";
import { type OracleState, oracle } from "../property/oracle.ts";
import { differenceInKeystone } from "./expected-keystone.ts";
import { textOf } from "./ledger.ts";
import { attempt } from "./owners.ts";
import type { SimCloud } from "./sim-cloud.ts";
import { NO_TROUBLE } from "./sim-keystone.ts";
import type { Simulation } from "./simulation.ts";

const LIVENESS_MS = 20 * 60_000;
const LOOK_MS = 2_000;
/** A stamp farther ahead than this at the end is a forger's: nobody's clock was ever that wrong. */
const AHEAD_MAX_MS = 2 * 3_600_000;

/** Ends every fault: all links open, all nodes up, clocks right, Keystones well, twins gone for good. */
export function heal(simulation: Simulation): void {
  const { network, timeline, clouds, happened } = simulation;
  timeline.note("heal");
  simulation.isHealed = true;
  network.heal();
  for (const cloud of clouds) {
    cloud.disk.onWriting = undefined;
    cloud.keystone.onWriting = () => undefined;
    cloud.keystone.trouble = { ...NO_TROUBLE, latencyMs: simulation.swarm.keystoneMs };
    cloud.keystone.model.down = false;
    cloud.keystone.landLate();
    if (cloud.clock.leadMs !== 0) happened.count("clock off");
    cloud.clock.set({ leadMs: 0 });
    if (cloud.isTwin) {
      cloud.crash();
      simulation.ledger.replaceDisk(cloud.name, new Set()); // What only it ever held goes with it.
    } else cloud.start();
  }
}

/** Runs until everything agrees with the oracle; fails the simulation if it never does. */
export async function converge(simulation: Simulation, mostMs = LIVENESS_MS): Promise<void> {
  const { timeline, clouds } = simulation;
  await untilDue(simulation);
  await simulation.pass(2 * simulation.swarm.scanMs); // What was done by hand just now is still to be seen.
  const untilMs = timeline.nowMs + mostMs;
  let difference: string | undefined = "never looked";
  while (simulation.failure === undefined && timeline.nowMs < untilMs) {
    await simulation.pass(LOOK_MS);
    for (const cloud of clouds) {
      approveHolds(simulation, cloud);
      await makeWay(simulation, cloud);
    }
    difference = differenceInRoots(simulation) ?? differenceFromOracle(simulation);
    if (difference === undefined) return;
  }
  if (simulation.failure === undefined)
    simulation.fail(
      "everything converges",
      `not within ${mostMs / 60_000} minutes: ${difference}; ${differingSets(simulation)}`,
    );
}

/** Lets time pass until nothing that was said lies ahead of the right time: with a wrong clock it may for a while. */
export async function untilDue(simulation: Simulation): Promise<void> {
  const { nowMs } = simulation.timeline;
  const lastMs = Math.max(nowMs, ...honestStamps(simulation));
  if (lastMs > nowMs) await simulation.pass(lastMs - nowMs);
}

function approveHolds(simulation: Simulation, cloud: SimCloud): void {
  const { running } = cloud;
  if (running?.node.membered === undefined) return;
  // What an operator rejected before is approved now, so that nothing but the mesh's word is left to look at.
  const holds = [...running.node.memory.holds].filter(([, hold]) => isWaiting(hold) || hold.decision === "reject");
  for (const [id, { kind, objects }] of holds) {
    const approved = simulation.checks.approved.get(cloud.keystone);
    // What an operator takes for edits may be anything that is there.
    if (["missing", "unconfirmed", "differences", "domainGone"].includes(kind))
      for (const one of objects) approved?.add(one);
    simulation.happened.count("hold approved");
    void attempt(simulation, async () => {
      await running.operator.decideHold({ id, decision: "approve" });
    });
  }
}

/** A project that was made here by hand and is not shared may be in the way by its name, or by being enabled: its people mend that. */
async function makeWay(simulation: Simulation, cloud: SimCloud): Promise<void> {
  if (cloud.isTwin || cloud.replica === undefined) return;
  // An orphan, whose record or creation counts no longer, is people's own as well; and so is what a record came to name
  // afterwards, or what this cloud opted out of (a restore may bring that back: seed 21542).
  const standings = [...(cloud.membered?.loop.standings().values() ?? [])];
  const isRecorded = (id: string) =>
    cloud.running?.node.memory.seen.get(id)?.isOwn !== true &&
    !standings.some((set) => ["orphaned", "optedOut"].includes(set.get(id)?.state ?? "")) &&
    cloud.replica?.sets().some((set) => set.version("project", id) !== undefined) === true;
  const shared = new Set([...simulation.ledger.said.values()].map(({ entry }) => entry.set.split("/")[2]));
  for (const { id, name, enabled, isDomain, domainId } of cloud.keystone.rows().values()) {
    if (isDomain || !shared.has(String(domainId)) || isRecorded(id) || (name.startsWith("own-") && !enabled)) continue;
    const own = `own-${id.slice(0, 8)}`;
    if (name !== own) await cloud.keystone.byHand((admin) => admin.updateProject(id, { name: own, enabled }));
    // Refused where something below it is enabled: then there is nothing to make way for.
    if (enabled) await cloud.keystone.byHand((admin) => admin.updateProject(id, { enabled: false }));
  }
}

function honestStamps({ ledger, timeline }: Simulation): number[] {
  return [...ledger.said.values()]
    .map(({ entry }) => entry.stamp.wallMs)
    .filter((wallMs) => wallMs < timeline.nowMs + AHEAD_MAX_MS);
}

/** Cheap, so that the oracle is asked only where it may agree. */
function differenceInRoots(simulation: Simulation): string | undefined {
  const { clouds } = simulation;
  const roots = new Map<string, string>();
  for (const { name, isTwin, membered } of clouds) {
    if (isTwin) continue;
    if (membered === undefined) return `${name} is not up`;
    const { state } = membered.loop;
    if (state !== "ok") return `${name}'s Keystone is ${state}`;
    roots.set(membered.keeper.replica.publicRoot(), name);
  }
  if (roots.size > 1) return `roots differ: ${[...roots.values()].join(" and ")}`;
  for (const cloud of clouds) {
    const plans = (cloud.isTwin ? [] : (cloud.membered?.loop.plans() ?? [])).filter(
      ({ domain }) => domain.mode !== "observe",
    );
    const left = plans.flatMap(({ plan }) => plan.actions).filter((action) => !isKeptByPeople(cloud, action));
    if (left.length > 0)
      return `${cloud.name} has more to do: ${JSON.stringify(left.slice(0, 3))}: ${whyOf(cloud, left[0])}`;
  }
  return undefined;
}

/** Which sets differ, and which words of them only some have. */
function differingSets({ clouds }: Simulation): string {
  const holders = new Map<string, string[]>();
  const all = clouds.filter(({ isTwin }) => !isTwin);
  for (const { name, replica } of all)
    for (const set of replica?.sets().filter(({ name: one }) => replica.isPublic(one)) ?? [])
      for (const { key } of set.records())
        for (const entry of replica?.standingEntries(key) ?? []) {
          const text = textOf(entry);
          holders.set(text, [...(holders.get(text) ?? []), name]);
        }
  const partial = [...holders].filter(([, names]) => names.length < all.length);
  return partial.map(([text, names]) => `${text} stands at ${names.join()}`).join("; ");
}

function whyOf({ membered, keystone, running }: SimCloud, action: Action | undefined): string {
  if (action === undefined) return "";
  const standings = membered?.loop.standings().get(action.set);
  const rivals = [...keystone.rows().values()].filter(
    ({ name, parentId }) => name === action.fields.name || parentId === action.id,
  );
  const told = rivals.map(({ id }) => ({ id, standing: standings?.get(id), seen: running?.node.memory.seen.get(id) }));
  return JSON.stringify({ standing: standings?.get(action.id), rivals: told });
}

/** A project that the mesh deleted stays while something that people made here, and nobody shares, stands under it. */
function isKeptByPeople(cloud: SimCloud, { set, action, id, fields }: Action): boolean {
  const { keystone, running } = cloud;
  if (running?.node.membered?.loop.standings().get(set)?.get(id)?.state === "conflict") return true; // Shown as what it is.
  const rows = keystone.rows();
  if (action === "create" && leadsElsewhere(cloud, { set, parentId: String(fields.parent_id) })) return true;
  // What follows a creation that waits for that (seed 107).
  const parentId = cloud.replica?.field({ set, kind: "project", id }, "parent_id")?.value;
  if (action === "update" && !rows.has(id) && leadsElsewhere(cloud, { set, parentId: String(parentId) })) return true;
  const seen = running?.node.memory.seen;
  const isOwn = (child: string) => seen?.get(child)?.isOwn === true || seen?.has(child) === false;
  // However far below: what stands between goes no sooner than the last of it.
  const hasOwnBelow = (above: string): boolean =>
    [...rows.values()].some((row) => row.parentId === above && (isOwn(row.id) || hasOwnBelow(row.id)));
  return action === "delete" && hasOwnBelow(id);
}

/**
 * Somebody named another domain's object as its parent, or as one above that: Keystone refuses it in its own words. Or what
 * stands there is people's own, who may have disabled it.
 */
function leadsElsewhere({ keystone, replica, running }: SimCloud, place: { set: SetName; parentId: string }): boolean {
  const { set } = place;
  const domainId = set.split("/")[2] ?? "";
  if (keystone.rows().get(domainId)?.isDomain === false) return true; // Somebody named the domain's ID as a project's.
  const above = new Set<string>();
  for (let id = place.parentId; id !== domainId && !above.has(id); ) {
    const row = keystone.rows().get(id);
    const isOwn = running?.node.memory.seen.get(id)?.isOwn === true;
    if (row !== undefined && (row.domainId !== domainId || isOwn)) return true;
    above.add(id);
    id = row?.parentId ?? String(replica?.field({ set, kind: "project", id }, "parent_id")?.value);
  }
  return false;
}

/** The oracle's state of the mesh, of everything that is on some disk or was. */
export function oracleState(simulation: Simulation): OracleState {
  const { ledger, timeline } = simulation;
  const { driftMaxMs } = simulation.swarm;
  const known = new Set<string>(simulation.clouds.map(({ peerId }) => peerId));
  const entries: Entry[] = [];
  for (const { entry, isLost, wasDurable } of ledger.said.values()) {
    if (isLost || !wasDurable || entry.stamp.wallMs > timeline.nowMs + driftMaxMs) continue;
    const owner = entry.set.split("/")[1];
    if (owner === undefined || known.has(owner)) entries.push(entry);
  }
  return oracle(ledger.meshId, entries);
}

function differenceFromOracle(simulation: Simulation): string | undefined {
  const state = oracleState(simulation);
  for (const cloud of simulation.clouds) {
    if (cloud.isTwin) continue;
    const difference = differenceInReplica(cloud, state) ?? differenceInKeystone(cloud, state, simulation.ledger);
    if (difference !== undefined) return `${cloud.name}: ${difference}`;
  }
  return undefined;
}

function differenceInReplica({ replica }: SimCloud, state: OracleState): string | undefined {
  if (replica === undefined) return "it has no replica";
  const members = [...replica.membership.members].sort().join();
  if (members !== state.members.join()) return `members are ${members}, not ${state.members.join()}`;
  const roots = replica.roots();
  for (const [set, root] of state.roots) {
    if (!mayHold(replica.self, set, state)) continue; // check-audience.ts looks at what it holds all the same.
    const own = roots.get(set as Parameters<typeof roots.get>[0]);
    if (own !== root) return `set ${set} differs from the oracle's: ${differenceInSet(replica, set, state)}`;
  }
  for (const set of roots.keys())
    if (!state.roots.has(set) && replica.isPublic(set)) return `set ${set} is none of the oracle's`;
  return undefined;
}

/** Whether a cloud may hold a set: of a domain its owner must have said so, and without that word it is told to nobody. */
function mayHold(self: string, set: string, { records }: OracleState): boolean {
  const [kind, owner, domainId] = set.split("/");
  if (kind !== "domain" || owner === self) return true;
  const fields = JSON.parse(records.get(`${set}\0authority\0${domainId}`)?.fields ?? "{}") as Record<string, unknown[]>;
  const audience = fields.audience?.[0];
  return audience === null || (Array.isArray(audience) && audience.includes(self));
}

function differenceInSet(replica: NonNullable<SimCloud["replica"]>, set: string, state: OracleState): string {
  const differences: string[] = [];
  for (const [place, { fields, standing }] of state.records) {
    const [name, kind = "", id = ""] = place.split("\0");
    if (name !== set) continue;
    const key = { set: name as Parameters<typeof replica.set>[0], kind, id };
    const own = JSON.stringify(
      Object.fromEntries(
        [...replica.fields(key)]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([field, { value, entry }]) => [field, [value, entry.hash]]),
      ),
    );
    const ownStanding = replica
      .standingEntries(key)
      .map(({ hash }) => hash)
      .sort()
      .join();
    if (own !== fields || ownStanding !== standing.join())
      differences.push(`${kind} ${id}: ${own} (${ownStanding}), not ${fields} (${standing.join()})`);
  }
  return differences.slice(0, 3).join("; ");
}
