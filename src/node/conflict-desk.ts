// Conflicts, for the operator: everything in this cloud that can't be as the mesh says, and what settles each.
import { type Conflict, editConflict, refusedConflict } from "../core/conflict.ts";
import { openEdits, shortJson } from "../core/edit-conflict.ts";
import { type DomainView as AgreedDomain, fieldValue, isTombstone } from "../core/keystone-view.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Standing } from "../core/project-tree.ts";
import type { ConflictView } from "./control.ts";
import type { DomainDesk } from "./domain-desk.ts";
import { agreedDomains } from "./domain-views.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

export class ConflictDesk {
  readonly #node: Node;
  readonly #domains: DomainDesk;

  constructor(node: Node, domains: DomainDesk) {
    this.#node = node;
    this.#domains = domains;
  }

  async list({ domain }: { domain?: string }): Promise<ConflictView[]> {
    const { keeper, loop } = memberedOf(this.#node);
    const standings = loop.standings();
    const conflicts = loop.conflicts();
    const wanted = domain === undefined ? undefined : this.#domains.findShared({ domain }).domainId;
    return agreedDomains(keeper.replica)
      .filter(({ domainId }) => wanted === undefined || domainId === wanted)
      .flatMap((one) => {
        const planned = conflicts.get(one.set) ?? [];
        const told = [...planned, ...refusals(planned, standings.get(one.set) ?? new Map()), ...this.#edits(one)];
        return told.map((conflict) => viewOf(conflict, one));
      });
  }

  #edits({ set, projects, domainId, domain }: AgreedDomain): Conflict[] {
    const { memory, options } = this.#node;
    const recordOf = (id: string) => (id === domainId ? domain : projects.get(id));
    const open = openEdits(
      memory.edits.filter((edit) => edit.set === set),
      {
        nowMs: options.world.now(),
        standing: ({ id, field }) => (isTombstone(recordOf(id)) ? undefined : fieldValue(recordOf(id), field)),
      },
    );
    return open.map((edit) =>
      editConflict(edit, {
        rival: this.#node.nameOf(edit.rival as PeerId),
        stands: shortJson(fieldValue(recordOf(edit.id), edit.field)),
      }),
    );
  }
}

/** What Keystone refuses, or we do, and no plan could foresee. */
function refusals(planned: readonly Conflict[], standings: ReadonlyMap<string, Standing>): Conflict[] {
  const known = new Set(planned.map(({ id }) => id));
  return [...standings].flatMap(([id, { state, why }]) =>
    (state === "stuck" || state === "conflict") && !known.has(id) ? [refusedConflict(id, state, why)] : [],
  );
}

function viewOf(conflict: Conflict, { domainId, domain, projects }: AgreedDomain): ConflictView {
  const record = conflict.id === domainId ? domain : projects.get(conflict.id);
  return { ...conflict, name: String(fieldValue(record, "name") ?? ""), domainId };
}
