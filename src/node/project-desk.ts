// Projects, for the operator: what the mesh says of them, how they stand here, and why.
import { type DomainView as AgreedDomain, fieldValue, isTombstone } from "../core/keystone-view.ts";
import type { Standing } from "../core/project-tree.ts";
import { parseKeystoneId, type SetName } from "../core/set-name.ts";
import { KeystoneError, type ProjectObject } from "../keystone/api.ts";
import { ControlError, type ExplainView, type PlanView, type ProjectView } from "./control.ts";
import type { DomainDesk } from "./domain-desk.ts";
import { agreedDomains } from "./domain-views.ts";
import { projectWords } from "./local-words.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

export class ProjectDesk {
  readonly #node: Node;
  readonly #domains: DomainDesk;

  constructor(node: Node, domains: DomainDesk) {
    this.#node = node;
    this.#domains = domains;
  }

  async list({ domain }: { domain?: string }): Promise<ProjectView[]> {
    const { keeper, loop } = memberedOf(this.#node);
    const standings = loop.standings();
    const wanted = domain === undefined ? undefined : this.#domains.findShared({ domain }).domainId;
    return agreedDomains(keeper.replica)
      .filter(({ domainId }) => wanted === undefined || domainId === wanted)
      .flatMap((one) => {
        const here = standings.get(one.set) ?? new Map<string, Standing>();
        return [...this.#projectRows(one, here), ...this.#orphanRows(one, here)];
      });
  }

  #projectRows(domain: AgreedDomain, standings: ReadonlyMap<string, Standing>): ProjectView[] {
    return [...domain.projects].map(([id, record]) => ({
      id,
      domainId: domain.domainId,
      parentId: (fieldValue(record, "parent_id") as string | undefined) ?? null,
      name: String(fieldValue(record, "name") ?? ""),
      description: (fieldValue(record, "description") as string | null | undefined) ?? null,
      enabled: fieldValue(record, "enabled") !== false,
      tags: (fieldValue(record, "tags") as string[] | undefined) ?? [],
      deleted: isTombstone(record),
      state: standings.get(id)?.state ?? "pending",
    }));
  }

  /** Objects here whose record no longer counts: shown, never touched. */
  #orphanRows(domain: AgreedDomain, standings: ReadonlyMap<string, Standing>): ProjectView[] {
    return [...this.#node.memory.seenIn(domain.set)].flatMap(([id, { parentId, values }]) =>
      standings.get(id)?.state === "orphaned" && !domain.projects.has(id)
        ? [{ id, domainId: domain.domainId, parentId, ...values, deleted: false, state: "orphaned" as const }]
        : [],
    );
  }

  async explain({ id }: { id: string }): Promise<ExplainView> {
    const { keeper, loop } = memberedOf(this.#node);
    const { replica } = keeper;
    const holding = replica
      .sets()
      .filter((set) => set.identity.is === "domain" && (set.stands("project", id) || set.stands("domain", id)));
    const agreed = new Set(agreedDomains(replica).map(({ set }) => set));
    const set = holding.find(({ name }) => agreed.has(name)) ?? holding[0];
    if (set === undefined)
      throw new ControlError("UNKNOWN_PROJECT", `no record has the ID ${id}: keymesh project list shows those that do`);
    const kind = set.stands("project", id) ? "project" : "domain";
    const fields = [...replica.fields({ set: set.name, kind, id })].map(([field, { value, entry }]) => {
      const { wallMs, counter, origin } = entry.stamp;
      return [field, { value, stamp: [wallMs, counter], origin, originName: this.#node.nameOf(origin) }] as const;
    });
    const { object, trouble } = await this.#look(id);
    const standing = loop.standings().get(set.name)?.get(id);
    const fallback = agreed.has(set.name)
      ? "no scan has looked at it yet"
      : "this cloud has no agreement about its domain";
    return {
      id,
      kind,
      set: set.name,
      fields: Object.fromEntries(fields),
      keystone: object === undefined ? null : { ...object },
      state: standing?.state ?? "pending",
      why: trouble ?? standing?.why ?? fallback,
      local: this.#localWords(set.name, id),
    };
  }

  #localWords(set: SetName, id: string): ExplainView["local"] {
    const { replica } = memberedOf(this.#node).keeper;
    const about = parseKeystoneId(id);
    const chain = replica.domainChains().find(({ present }) => present === set);
    const words = about === undefined || chain === undefined ? [] : projectWords(replica, chain, about);
    return words.map((word) => ({ ...word, name: this.#node.nameOf(word.peerId) }));
  }

  /** What Keystone holds now. One that can't be asked doesn't keep anybody from what the mesh says. */
  async #look(id: string): Promise<{ readonly object?: ProjectObject | undefined; readonly trouble?: string }> {
    try {
      return { object: await this.#node.api.getProject(id) };
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      return { trouble: `Keystone can't be asked now: ${error.message}` };
    }
  }

  async plan(): Promise<PlanView[]> {
    const { loop } = memberedOf(this.#node);
    return loop
      .plans()
      .flatMap(({ plan: { actions } }) =>
        actions.map(({ action, kind, id, fields, because }) => ({ action, kind, id, fields, because })),
      );
  }
}
