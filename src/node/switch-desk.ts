// Local switches, for the operator: this cloud disables a domain or a project for itself, or goes its own way with a
// project. Each is this cloud's own signed word: the others see it, none of them can undo it, and it is found again
// after this node's disk was lost.
import type { DomainView as AgreedDomain } from "../core/keystone-view.ts";
import { fieldValue, isTombstone } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import { parseKeystoneId } from "../core/set-name.ts";
import { ControlError, type DomainView, type SwitchView } from "./control.ts";
import type { DomainDesk } from "./domain-desk.ts";
import { agreedDomains } from "./domain-views.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

/** A word of this cloud's about one object: the same twice changes nothing. */
type Word = { readonly off: boolean } | { readonly optout: boolean };

export class SwitchDesk {
  readonly #node: Node;
  readonly #domains: DomainDesk;

  constructor(node: Node, domains: DomainDesk) {
    this.#node = node;
    this.#domains = domains;
  }

  /** Errors: UNKNOWN_DOMAIN, AMBIGUOUS_DOMAIN, NOT_ACCEPTED, PLACED_ONCE. */
  async domain({ enabled, ...named }: { domain: string; owner?: string; enabled: boolean }): Promise<DomainView> {
    const { keeper } = memberedOf(this.#node);
    const shared = this.#domains.findShared(named);
    const agreed = agreedDomains(keeper.replica).find(({ set }) => set === shared.chain.present);
    if (agreed === undefined)
      throw new ControlError(
        "NOT_ACCEPTED",
        `this cloud has not accepted domain ${shared.domainId}: there is nothing here to switch`,
      );
    refusePlaced(agreed);
    await this.#say(agreed, agreed.domainId, { off: !enabled });
    return this.#domains.row(shared.chain);
  }

  /** Errors: UNKNOWN_PROJECT, DELETED, PLACED_ONCE. */
  async project({ id, enabled }: { id: string; enabled: boolean }): Promise<SwitchView> {
    const agreed = this.#agreedOf(id);
    refusePlaced(agreed);
    await this.#say(agreed, id, { off: !enabled });
    return this.#view(id);
  }

  /** Opting out leaves what is here as it is, this cloud's own. Errors: UNKNOWN_PROJECT, DELETED. */
  async optOut({ id, out }: { id: string; out: boolean }): Promise<SwitchView> {
    await this.#say(this.#agreedOf(id), id, { optout: out });
    return this.#view(id);
  }

  #agreedOf(id: string): AgreedDomain {
    const { keeper } = memberedOf(this.#node);
    const agreed = agreedDomains(keeper.replica).find(({ domainId, projects }) => id !== domainId && projects.has(id));
    if (agreed === undefined)
      throw new ControlError(
        "UNKNOWN_PROJECT",
        `no project with the ID ${id} is in a domain that this cloud accepted: keymesh project list shows those that are`,
      );
    if (isTombstone(agreed.projects.get(id)))
      throw new ControlError("DELETED", `project ${id} was deleted in the mesh: nothing is left to switch`);
    return agreed;
  }

  async #say({ set, domainId, off, optedOut }: AgreedDomain, id: string, word: Word): Promise<void> {
    const { keeper, loop } = memberedOf(this.#node);
    const isSame = "off" in word ? off.has(id) === word.off : optedOut.has(id) === word.optout;
    if (isSame) return;
    const about = id === domainId ? undefined : parseKeystoneId(id);
    await keeper.write([{ set, kind: "local", id: localId(keeper.self, about), fields: word }]);
    this.#node.options.log.info({ audit: "switch", set, id, ...word }, "this cloud's operator set a local switch");
    loop.poke();
  }

  #view(id: string): SwitchView {
    const { domainId, projects, off, optedOut } = this.#agreedOf(id);
    const record = projects.get(id);
    return {
      id,
      domainId,
      name: String(fieldValue(record, "name") ?? ""),
      enabled: fieldValue(record, "enabled") !== false,
      off: off.has(id),
      optedOut: optedOut.has(id),
    };
  }
}

function refusePlaced({ mode, domainId }: AgreedDomain): void {
  if (mode !== "initial") return;
  throw new ControlError(
    "PLACED_ONCE",
    `domain ${domainId} is accepted as initial, so what is placed here is this cloud's own: switch it off in Keystone`,
  );
}
