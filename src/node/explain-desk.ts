// Explains one project or domain to the operator: for each field who said it and when, whose words lost or don't count and
// why, what this cloud's Keystone holds instead and why, and who else claims the ID.
import { explainRecord, type FieldStory, type Rival } from "../core/explain.ts";
import { isSameValue, VALUE_FIELDS } from "../core/keystone-view.ts";
import type { Standing } from "../core/project-tree.ts";
import type { ReplicaSet } from "../core/replica-set.ts";
import { parseKeystoneId, type SetName, setOwner } from "../core/set-name.ts";
import type { Stamp } from "../core/stamp.ts";
import { KeystoneError, type ProjectObject } from "../keystone/api.ts";
import { ControlError, type ExplainView, type RivalView } from "./control.ts";
import type { StampView } from "./control-domains.ts";
import { agreedDomains } from "./domain-views.ts";
import { reasonWords } from "./explain-words.ts";
import { projectWords } from "./local-words.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

type Subject = {
  readonly set: ReplicaSet;
  readonly kind: "project" | "domain";
  readonly others: readonly ReplicaSet[];
};

export class ExplainDesk {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Errors: UNKNOWN_PROJECT, NO_MESH. */
  async explain({ id }: { id: string }): Promise<ExplainView> {
    const { keeper, loop } = memberedOf(this.#node);
    const { replica, lost } = keeper;
    const agreed = new Set(agreedDomains(replica).map(({ set }) => set));
    const { set, kind, others } = this.#subject(id, agreed);
    const key = { set: set.name, kind, id };
    const stories = explainRecord({
      set,
      record: set.record(kind, id),
      held: replica.heldOf(key),
      lost: lost.of(key),
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
      fields: Object.fromEntries(stories.flatMap((story) => this.#field(story, { object, standing, fallback }))),
      noValue: Object.fromEntries(
        stories.flatMap(({ field, stands, rivals }) =>
          stands === undefined ? [[field, { rivals: rivals.map((one) => this.#rival(one)) }]] : [],
        ),
      ),
      claims: others.map(({ name }) => {
        const owner = setOwner(name) ?? replica.self;
        return { set: name, owner, ownerName: this.#node.nameOf(owner) };
      }),
      keystone: object === undefined ? null : keystoneFields(object),
      state: standing?.state ?? "pending",
      why: trouble ?? standing?.why ?? fallback,
      local: this.#localWords(set.name, id),
      replaced: this.#node.memory.replaced.values.flatMap(({ id: about, field, found, atMs }) =>
        about === id ? [{ field, found, atMs }] : [],
      ),
    };
  }

  /** The set whose word on this ID is told: the one that this cloud follows, if there is one; and the others that name it. */
  #subject(id: string, agreed: ReadonlySet<SetName>): Subject {
    const { replica, lost } = memberedOf(this.#node).keeper;
    const domains = replica
      .sets()
      .filter(({ identity, name }) => identity.is === "domain" && replica.mayHold(name, replica.self));
    const kindIn = (set: ReplicaSet) =>
      (["project", "domain"] as const).find((kind) => set.stands(kind, id)) ??
      (["project", "domain"] as const).find(
        (kind) => set.record(kind, id) !== undefined || lost.of({ set: set.name, kind, id }).length > 0,
      );
    const named = domains.flatMap((set) => {
      const kind = kindIn(set);
      return kind === undefined ? [] : [{ set, kind, stands: set.stands(kind, id) }];
    });
    const [first] = named.toSorted(
      (a, b) => Number(b.stands) - Number(a.stands) || Number(agreed.has(b.set.name)) - Number(agreed.has(a.set.name)),
    );
    if (first === undefined)
      throw new ControlError("UNKNOWN_PROJECT", `no record has the ID ${id}: keymesh project list shows those that do`);
    return { ...first, others: named.flatMap(({ set, stands }) => (stands && set !== first.set ? [set] : [])) };
  }

  #field(
    { field, stands, rivals }: FieldStory,
    at: { object: ProjectObject | undefined; standing: Standing | undefined; fallback: string },
  ): [string, ExplainView["fields"][string]][] {
    if (stands === undefined) return [];
    const { value, entry, writtenFor } = stands;
    const valueField = VALUE_FIELDS.find((one) => one === field);
    const isHere =
      at.object === undefined || valueField === undefined || isSameValue(field, at.object[valueField], value);
    return [
      [
        field,
        {
          value,
          ...this.#signed(entry.stamp),
          writtenFor: writtenFor === undefined ? null : this.#signed(writtenFor),
          here: isHere ? null : (at.standing?.why ?? at.fallback),
          rivals: rivals.map((one) => this.#rival(one)),
        },
      ],
    ];
  }

  #rival({ value, entry, counts, reason }: Rival): RivalView {
    return { value, ...this.#signed(entry.stamp), counts, reason: reason.is, why: reasonWords(reason) };
  }

  #signed({ wallMs, counter, origin }: Stamp): { stamp: StampView; origin: string; originName: string } {
    return { stamp: [wallMs, counter], origin, originName: this.#node.nameOf(origin) };
  }

  #localWords(set: SetName, id: string): ExplainView["local"] {
    const { replica } = memberedOf(this.#node).keeper;
    const about = parseKeystoneId(id);
    const chain = replica.domainChains().find(({ present }) => present === set);
    const words = about === undefined || chain === undefined ? [] : projectWords(replica, chain, about);
    return words.map((word) => ({ ...word, name: this.#node.nameOf(word.peerId) }));
  }

  /** What Keystone holds now. One that can't be asked doesn't keep anybody from what the mesh says. */
  async #look(id: string): Promise<{ readonly object: ProjectObject | undefined; readonly trouble?: string }> {
    try {
      return { object: await this.#node.api.getProject(id) };
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      return { object: undefined, trouble: `Keystone can't be asked now: ${error.message}` };
    }
  }
}

/** By the names that records have, so that the two stand beside each other; and what only Keystone has, where it is set. */
function keystoneFields({ name, description, enabled, tags, ...rest }: ProjectObject): ExplainView["keystone"] {
  const { parentId, domainId, immutable, extra } = rest;
  return {
    name,
    description,
    enabled,
    tags,
    parent_id: parentId,
    domain_id: domainId,
    ...(immutable ? { immutable } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
}
