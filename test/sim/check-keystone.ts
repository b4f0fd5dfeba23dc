// What a node writes into its Keystone must be decided by an entry that counts at that node, in a domain that its cloud
// agreed to, and must change something. Everything else stays as people made it.
import { CANARY_NAME } from "../../src/core/canary.ts";
import type { Entry, FieldValue, RecordKey } from "../../src/core/entry.ts";
import { localId } from "../../src/core/kinds.ts";
import type { Replica } from "../../src/core/replica.ts";
import type { SetName } from "../../src/core/set-name.ts";
import { compareStamps } from "../../src/core/stamp.ts";
import type { ProjectObject } from "../../src/keystone/api.ts";
import { stepBack } from "./check-flaps.ts";
import { mayCount } from "./check-replica.ts";
import { textOf } from "./ledger.ts";
import type { Provenance } from "./provenance.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Change, NodeWrite, SimKeystone } from "./sim-keystone.ts";
import { type Simulation, START_MS } from "./simulation.ts";

/** A plan's longest way to Keystone: what was decided when it was made may have been overtaken since. */
const PLAN_MS = 90_000;
const HOUR_MS = 3_600_000; // A window of the guards: no run but a scenario takes longer.
type Body = Readonly<Record<string, FieldValue>>;

export class KeystoneCheck {
  readonly #simulation: Simulation;
  readonly #keystone: SimKeystone;
  readonly #provenance: Provenance;
  /** Projects that were deleted here without an operator's word, by cloud, domain and who deleted them in the mesh. */
  readonly #waves = new Map<string, Set<string>>();

  constructor(simulation: Simulation, keystone: SimKeystone, provenance: Provenance) {
    this.#simulation = simulation;
    this.#keystone = keystone;
    this.#provenance = provenance;
  }

  onChange({ before, after, hand }: Change): void {
    if (hand !== "node") return;
    const { happened } = this.#simulation;
    const countMark = () => {
      happened.count("marked name written");
      happened.count("name collision");
    };
    if (before === undefined) happened.count("project created by a node");
    else if (after === undefined) happened.count("project deleted by a node");
    else happened.count("project updated by a node");
    if (after !== undefined && after.name !== before?.name && after.name.includes("~")) countMark();
  }

  onWrite(write: NodeWrite, before: ProjectObject | undefined): void {
    const wrongs = this.#clouds().map((cloud) => this.#judge(cloud, write, before));
    const [wrong] = wrongs;
    if (wrong === undefined || wrongs.includes(undefined)) return;
    const { checker, why } = wrong;
    const object = before === undefined ? "nothing" : JSON.stringify(before);
    this.#simulation.fail(checker, `${write.method} ${write.id} ${JSON.stringify(write.body)} on ${object}: ${why}`);
  }

  /** The clouds of this Keystone: two, where a twin runs on it. */
  #clouds(): SimCloud[] {
    return this.#simulation.clouds.filter(({ keystone }) => keystone === this.#keystone);
  }

  #judge(
    cloud: SimCloud,
    write: NodeWrite,
    before: ProjectObject | undefined,
  ): { checker: string; why: string } | undefined {
    const body = write.body as Body;
    const foreign = (why: string) => ({ checker: "nothing outside the shared domains is touched", why });
    if (isCanary(write, before)) return undefined;
    if (before === undefined && !write.method.startsWith("create")) return undefined; // It is gone: Keystone will say so.
    if (before !== undefined && write.method.startsWith("create")) return undefined; // Refused: the ID is taken (seed 703).
    if (cloud.replica === undefined) return undefined; // Sent before a crash: nobody knows any more by what.
    const domainId =
      write.method === "createDomain"
        ? write.id
        : String(before === undefined ? body.domainId : (before.domainId ?? before.id));
    const sets = this.#agreedSets(cloud, domainId ?? "");
    const set = sets?.at(-1);
    if (sets === undefined || set === undefined)
      return foreign(`${cloud.name} has no agreement about domain ${domainId}`);
    const isDomain = write.method === "createDomain" || write.method === "updateDomain";
    if (write.id === undefined) return foreign("a project without an ID");
    if (before?.isDomain === true && !isDomain) return foreign("a domain taken for a project");
    const key: RecordKey = { set, kind: isDomain ? "domain" : "project", id: write.id };
    if (!this.#mayWrite(cloud, sets)) return foreign(`${cloud.name} only observes domain ${domainId}`);
    if (write.method === "deleteProject") return this.#judgeDelete(cloud, key);
    if (before !== undefined && write.method.startsWith("update") && this.#changesNothing(body, before))
      return { checker: "apply is idempotent", why: "it changes nothing" };
    const held = before as unknown as Body | undefined;
    const anew = held === undefined ? undefined : stepBack(this.#simulation, cloud, { key, body, before: held });
    if (anew !== undefined)
      return { checker: "no Keystone flaps by a half-known revoke", why: `${cloud.name} lacks ${textOf(anew)}` };
    return this.#judgeFields(cloud, key, body, before);
  }

  #judgeDelete(cloud: SimCloud, key: RecordKey) {
    if (!this.#isDecided(cloud, key, "deleted", true)) return uncounted("nobody who counts deleted it");
    const wave = this.#judgeWave(cloud, key);
    if (wave !== undefined) return wave;
    const { graceMs, faults } = this.#simulation.swarm;
    const deletedMs = this.#simulation.checks.replicaOf(cloud).deletedForMs(key);
    // By the node's own clock: where that is wrong, so is the day on which the grace ends.
    if (faults.includes("clocks") || deletedMs === undefined || deletedMs >= graceMs) return undefined;
    return { checker: "a delete waits out its grace", why: `it is deleted for ${deletedMs} of ${graceMs} ms` };
  }

  /**
   * Of one cloud's deletes no more than its limit, unless an operator let them. Not judged where a node forgot what it did,
   * or where a domain changes hands: what the former owner deleted is the next one's word then.
   */
  #judgeWave(cloud: SimCloud, { set, id }: RecordKey) {
    const { swarm, checks, timeline } = this.#simulation;
    const { memory } = cloud.running?.node ?? {};
    const origin = memory?.seen.get(id)?.tombstone?.origin;
    const isOdd =
      cloud.hasTwin || cloud.wasRestored || checks.restored.has(cloud) || swarm.faults.includes("transfers");
    if (memory === undefined || origin === undefined || isOdd || timeline.nowMs - START_MS > HOUR_MS) return undefined;
    const isApproved = [...memory.holds.values()].some(
      ({ kind, decision, decided }) => kind === "deletes" && decision === "approve" && decided.includes(id),
    );
    if (isApproved) return undefined;
    const place = `${cloud.name} ${set.split("/")[2]} ${origin}`;
    const wave = this.#waves.get(place) ?? new Set<string>();
    this.#waves.set(place, wave.add(id));
    const most = Math.min(swarm.guards.deletesPerHourMax, swarm.guards.deletesPerDayMax);
    if (wave.size <= most) return undefined;
    const why = `${wave.size} projects that ${origin} deleted, at most ${most} without being asked`;
    return { checker: "a wave of deletes waits for an operator", why };
  }

  #judgeFields(cloud: SimCloud, key: RecordKey, body: Body, before: ProjectObject | undefined) {
    for (const field of ["name", "description", "tags"] as const) {
      const value = body[field];
      if (value === undefined || this.#isDecided(cloud, key, field, value)) continue;
      if (field === "name" && (isMark(String(value), key.id) || this.#hasLocalName(cloud, key))) continue;
      // Nobody set it, or nobody whose word still counts.
      if (before === undefined && this.#simulation.checks.replicaOf(cloud).wasUnsaid(key, field, PLAN_MS)) continue;
      // A creation that was not answered is tried without its texts, which follow: one may be what this database breaks at.
      const isLeftOut = field !== "name" && (value === null || (Array.isArray(value) && value.length === 0));
      if (before === undefined && isLeftOut && this.#simulation.swarm.unknownRate > 0) continue;
      return uncounted(`${field} is not what anybody who counts says`);
    }
    if (body.enabled === true && before !== undefined && !this.#mayEnable(cloud, key))
      return uncounted("nobody who counts enabled it");
    const deletedMs = this.#simulation.checks.replicaOf(cloud).deletedForMs(key);
    if (before === undefined && deletedMs !== undefined && deletedMs > PLAN_MS)
      return { checker: "a tombstone stays", why: "it is deleted in the mesh" };
    return undefined;
  }

  #mayEnable(cloud: SimCloud, key: RecordKey): boolean {
    const values = this.#values(cloud, key, "enabled");
    // Said by nobody it is enabled, also where the one who said otherwise lost that word (seed 2353).
    const isUnsaid = values.length === 0 || this.#simulation.checks.replicaOf(cloud).wasUnsaid(key, "enabled", PLAN_MS);
    return isUnsaid || values.includes(true);
  }

  #values(cloud: SimCloud, key: RecordKey, field: string): FieldValue[] {
    return this.#simulation.checks
      .replicaOf(cloud)
      .lately(key, field, PLAN_MS)
      .map(({ value }) => value);
  }

  /** Whether an entry that counts says this, or did until lately. */
  #isDecided(cloud: SimCloud, key: RecordKey, field: string, value: FieldValue): boolean {
    const { replica } = cloud;
    if (replica === undefined) return true; // Sent before a crash; judged by what it was then.
    const text = JSON.stringify(value);
    // A domain's description is a text in every Keystone: where the mesh says that there is none, it is the empty one.
    const isNone = (other: FieldValue) => key.kind === "domain" && field === "description" && other === null;
    const isSame = (other: FieldValue) =>
      JSON.stringify(isNone(other) ? "" : other) === text ||
      (field === "name" && String(other).trim() === String(value).trim());
    const check = this.#simulation.checks.replicaOf(cloud);
    const lately = check.lately(key, field, PLAN_MS);
    if (lately.some((one) => isSame(one.value) && (!one.isNow || mayCount(replica, one.entry, field)))) return true;
    // Planned while the domain was still its former owner's.
    const former = (this.#agreedSets(cloud, key.set.split("/")[2] ?? "") ?? []).slice(0, -1);
    return former.some((set) =>
      check
        .lately({ ...key, set }, field, PLAN_MS)
        .some((one) => isSame(one.value) && isBefore(replica, one.entry, key)),
    );
  }

  /** The sets of a domain that this cloud agreed to, from the first owner's to the present one's. */
  #agreedSets(cloud: SimCloud, domainId: string): readonly SetName[] | undefined {
    const { replica } = cloud;
    for (const { name, identity } of replica?.sets() ?? []) {
      if (replica === undefined || identity.is !== "domain" || identity.domainId !== domainId || identity.transfers > 0)
        continue;
      const sets = chainFrom(replica, name);
      const words = sets.map((set) => replica.field({ set, kind: "local", id: localId(cloud.peerId) }, "mode"));
      const [latest] = words
        .flatMap((word) => word ?? [])
        .sort((one, other) => compareStamps(other.entry.stamp, one.entry.stamp));
      if (latest !== undefined && latest.value !== "none") return sets;
    }
    return undefined;
  }

  /** Under `observe` nothing is written; an operator may have said so just now. */
  #mayWrite(cloud: SimCloud, sets: readonly SetName[]): boolean {
    const check = this.#simulation.checks.replicaOf(cloud);
    const modes = sets.flatMap((set) =>
      check.lately({ set, kind: "local", id: localId(cloud.peerId) }, "mode", PLAN_MS),
    );
    return modes.some(({ value }) => value === "mirror" || value === "initial");
  }

  #hasLocalName(cloud: SimCloud, { kind, set }: RecordKey): boolean {
    const sets = this.#agreedSets(cloud, set.split("/")[2] ?? "") ?? [];
    const id = localId(cloud.peerId);
    const isNamed = (one: SetName) =>
      typeof cloud.replica?.field({ set: one, kind: "local", id }, "name")?.value === "string";
    return kind === "domain" && sets.some(isNamed);
  }

  /** A PATCH that says what stands there already, unless somebody set it between our read and our write. */
  #changesNothing(body: Body, before: ProjectObject): boolean {
    const isSame = Object.entries(body).every(
      ([field, value]) => JSON.stringify((before as unknown as Body)[field]) === JSON.stringify(value),
    );
    // Of two nodes on one Keystone the one may write between the other's read and its write, as a person may.
    const lastMs =
      this.#clouds().length > 1 ? this.#provenance.changedMs(before.id) : this.#provenance.touchedMs(before.id);
    return isSame && this.#simulation.timeline.nowMs - lastMs > PLAN_MS;
  }
}

/** From a first owner's set to the present one: where an owner points to the next, and that one took the domain. */
function chainFrom(replica: Replica, first: SetName): SetName[] {
  const id = first.split("/")[2] ?? "";
  const nextOf = (set: SetName): SetName | undefined => {
    const pointers = [...replica.fields({ set, kind: "authority", id })].filter(([field]) =>
      field.startsWith("pointer/"),
    );
    const next = pointers.map(([, { value }]) => (value as { readonly set: SetName }).set);
    return next.find((one) => replica.field({ set: one, kind: "authority", id }, "accepts") !== undefined);
  };
  const sets = [first];
  for (let at = nextOf(first); at !== undefined; at = nextOf(at)) sets.push(at);
  return sets;
}

/** Whether something was said before the domain was taken by the owner whose set this is. */
function isBefore(replica: Replica, entry: Entry, { set }: RecordKey): boolean {
  const taken = replica.field({ set, kind: "authority", id: set.split("/")[2] ?? "" }, "accepts")?.entry;
  return taken !== undefined && compareStamps(entry.stamp, taken.stamp) < 0;
}

function uncounted(why: string) {
  return { checker: "nothing that doesn't count reaches a Keystone", why };
}

function isCanary(write: NodeWrite, before: ProjectObject | undefined): boolean {
  if (write.method === "createProject")
    return write.id === undefined && write.body.name === CANARY_NAME && write.body.domainId === "default";
  return before?.domainId === "default" && before.name === CANARY_NAME && Object.keys(write.body).join() === "extra";
}

function isMark(name: string, id: string): boolean {
  const mark = /~([0-9a-f]{8,32})$/.exec(name)?.[1];
  return mark !== undefined && id.startsWith(mark);
}
