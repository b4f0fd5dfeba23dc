// The objects of holds, one by one: what an approval would do with each, who asked for it and when. Worked out when
// somebody asks, from what the mesh says and Keystone holds at that moment, so that it can't grow stale.
import { CANARY_NAME } from "../core/canary.ts";
import {
  type DomainView,
  fieldValue,
  isSameValue,
  type RecordView,
  type Seen,
  VALUE_FIELDS,
} from "../core/keystone-view.ts";
import type { Plan } from "../core/plan.ts";
import { parseSetName } from "../core/set-name.ts";
import type { Stamp } from "../core/stamp.ts";
import { KeystoneError, type ProjectObject } from "../keystone/api.ts";
import type { HoldChangeView, HoldItemView } from "./control-holds.ts";
import type { HeldHold } from "./keystone-memory.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

type Planned = { readonly domain: DomainView; readonly plan: Plan };
/** An object of a hold with all that is known of it. */
type Subject = {
  readonly hold: HeldHold;
  readonly id: string;
  readonly row: Seen | undefined;
  readonly at: Planned | undefined;
  readonly record: RecordView | undefined;
};
type Told = Pick<HoldItemView, "approve" | "changes"> & { readonly stamp?: Stamp | undefined };

const GOES: HoldChangeView = { field: "deleted", from: false, to: true };
const RISES: HoldChangeView = { field: "deleted", from: true, to: false };

export class HoldItems {
  readonly all: HoldItemView[] = [];
  trouble: string | null = null;
  readonly #node: Node;
  readonly #planned: readonly Planned[];
  /** What Keystone holds of a domain, by the domain's ID; undefined while it can't be asked. */
  readonly #held = new Map<string, ReadonlyMap<string, ProjectObject> | undefined>();

  constructor(node: Node) {
    this.#node = node;
    this.#planned = memberedOf(node).loop.plans();
  }

  async add(hold: HeldHold): Promise<void> {
    if (hold.kind === "unsettled") return; // Its mark names no object.
    for (const id of hold.objects) {
      if (hold.kind === "contested") {
        const { sinceMs } = hold;
        const names = { kind: "canary", name: CANARY_NAME, domainId: "default", domain: null } as const;
        this.all.push({
          ...names,
          hold: hold.id,
          id,
          approve: "takeOver",
          changes: [],
          by: null,
          byName: null,
          atMs: sinceMs,
        });
        continue;
      }
      const row = this.#node.memory.seen.get(id);
      const at = this.#placeOf(id, row);
      const isDomain = at?.domain.domainId === id;
      const record = isDomain ? at.domain.domain : at?.domain.projects.get(id);
      const told = await this.#tell({ hold, id, row, at, record });
      const { stamp, approve, changes } = told;
      const name = row?.values.name ?? fieldValue(record, "name") ?? (await this.#nameHere(at, id));
      this.all.push({
        hold: hold.id,
        id,
        kind: isDomain ? "domain" : "project",
        name: typeof name === "string" ? name : null,
        domainId: at?.domain.domainId ?? null,
        domain: at === undefined ? null : domainName(at.domain),
        approve,
        changes,
        by: stamp?.origin ?? null,
        byName: stamp === undefined ? null : this.#node.nameOf(stamp.origin),
        atMs: stamp?.wallMs ?? hold.sinceMs,
      });
    }
  }

  async #tell(subject: Subject): Promise<Told> {
    const { hold, id, row, at, record } = subject;
    if (hold.kind === "deletes")
      return { approve: "delete", changes: [GOES], stamp: record?.get("deleted")?.entry.stamp };
    if (hold.kind === "recreations")
      return { approve: "create", changes: [RISES], stamp: record?.get("name")?.entry.stamp };
    if (hold.kind === "renames") {
      const to = at?.plan.names?.get(id) ?? null;
      const stamp = at?.plan.takers.find((taker) => taker.id === id)?.stamp;
      return { approve: "rename", changes: [{ field: "name", from: row?.values.name ?? null, to }], stamp };
    }
    return this.#tellHere(subject);
  }

  /** What differs between this Keystone and what was last seen there. */
  async #tellHere({ hold, id, row, at }: Subject): Promise<Told> {
    const maySign = (scope: "delete" | "update") => at?.domain.scopes.has(scope) === true;
    const gone: Told = { approve: maySign("delete") ? "deleteForAll" : "optOut", changes: [GOES] };
    if (hold.kind === "missing" || hold.kind === "domainGone") return gone;
    const held = at === undefined ? undefined : await this.#heldIn(at.domain.domainId);
    if (held === undefined) return { approve: "edit", changes: [] };
    const object = held.get(id);
    if (object === undefined) return gone;
    if (row?.present !== true) return { approve: "createForAll", changes: [RISES] };
    const changes = VALUE_FIELDS.filter((field) => !isSameValue(field, row.values[field], object[field])).map(
      (field) => ({
        field,
        from: row.values[field],
        to: object[field],
      }),
    );
    return { approve: "edit", changes };
  }

  #placeOf(id: string, row: Seen | undefined): Planned | undefined {
    const domainOf = (set: Seen["set"]) => {
      const identity = parseSetName(set)?.identity;
      return identity?.is === "domain" ? identity.domainId : undefined;
    };
    const domainId = row === undefined ? undefined : domainOf(row.set);
    return this.#planned.find(({ domain }) =>
      domainId === undefined ? domain.projects.has(id) || domain.domainId === id : domain.domainId === domainId,
    );
  }

  async #nameHere(at: Planned | undefined, id: string): Promise<string | null> {
    return (at === undefined ? undefined : await this.#heldIn(at.domain.domainId))?.get(id)?.name ?? null;
  }

  /** One list of each domain, however many of its objects are told of. */
  async #heldIn(domainId: string): Promise<ReadonlyMap<string, ProjectObject> | undefined> {
    if (this.#held.has(domainId)) return this.#held.get(domainId);
    const held = await this.#read(domainId);
    this.#held.set(domainId, held);
    return held;
  }

  async #read(domainId: string): Promise<ReadonlyMap<string, ProjectObject> | undefined> {
    const { api } = this.#node;
    try {
      const itself = await api.getProject(domainId);
      const projects = itself === undefined ? [] : [itself, ...(await api.listProjects(domainId))];
      return new Map(projects.map((one) => [one.id, one]));
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      this.trouble = `Keystone can't be asked now, so what differs there isn't told: ${error.message}`;
      return undefined;
    }
  }
}

function domainName({ domain, localName }: DomainView): string | null {
  const name = localName ?? fieldValue(domain, "name");
  return typeof name === "string" ? name : null;
}
