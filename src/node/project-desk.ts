// Projects, for the operator: what the mesh says of them, how they stand here, and what is to be done.
import { type DomainView as AgreedDomain, fieldValue, isTombstone } from "../core/keystone-view.ts";
import type { Standing } from "../core/project-tree.ts";
import type { PlanView, ProjectView } from "./control.ts";
import type { DomainDesk } from "./domain-desk.ts";
import { agreedDomains } from "./domain-views.ts";
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

  async plan(): Promise<PlanView[]> {
    const { loop } = memberedOf(this.#node);
    return loop
      .plans()
      .flatMap(({ plan: { actions } }) =>
        actions.map(({ action, kind, id, fields, because }) => ({ action, kind, id, fields, because })),
      );
  }
}
