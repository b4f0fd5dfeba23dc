// The operator's verbs, on a running node. Each does the whole of it, durably, or says why not and has done nothing.
import { grantValue, scopesOf } from "../core/authority.ts";
import { type DomainView as AgreedDomain, type AgreementMode, fieldValue, isTombstone } from "../core/keystone-view.ts";
import { localId, SCOPES, type Scope, SIGNER_PREFIX } from "../core/kinds.ts";
import { foldName } from "../core/names.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { Standing } from "../core/project-tree.ts";
import type { Write } from "../core/replica.ts";
import type { ReplicaSet } from "../core/replica-set.ts";
import { domainSet, parseKeystoneId, type SetName } from "../core/set-name.ts";
import type { DomainObject } from "../keystone/api.ts";
import {
  type Control,
  ControlError,
  type DomainView,
  type ExplainView,
  type HoldView,
  type MemberView,
  type PendingView,
  type PlanView,
  type ProjectView,
  type StatusView,
} from "./control.ts";
import { agreedDomains, domainView } from "./domain-views.ts";
import { isWaiting } from "./keystone-memory.ts";
import { addressesOf, admissionWrite } from "./membership-desk.ts";
import type { Membered, Node } from "./node.ts";

type SharedSet = { readonly set: ReplicaSet; readonly owner: PeerId; readonly domainId: string };

export class Operator implements Control {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  // --- mesh and members ---

  async status(): Promise<StatusView> {
    const { options, identity, mesh, memory, membered, refusals } = this.#node;
    const replica = membered?.keeper.replica;
    const roster = replica?.membership.roster;
    const standings = [...(membered?.loop.standings().values() ?? [])].flatMap((one) => [...one.values()]);
    return {
      peerId: identity.peerId,
      name: options.config.name,
      version: options.version,
      mesh: replica === undefined ? null : { id: replica.meshId, name: roster?.name ?? "" },
      members: replica?.membership.members.size ?? 0,
      connected: mesh.connected(),
      addresses: mesh.addresses(),
      replica: { records: replica?.recordCount ?? 0, root: replica?.root() ?? "" },
      keystone: {
        state: membered?.loop.state ?? "ok",
        why: membered?.loop.why ?? null,
        pending: standings.filter(({ state }) => state === "pending").length,
        stuck: membered?.loop.stuckCount ?? 0,
        held: [...memory.holds.values()]
          .filter(isWaiting)
          .reduce((sum, { objects }) => sum + Math.max(1, objects.length), 0),
        lastScanMs: membered?.loop.lastScanMs ?? null,
        events: memory.state.events,
      },
      clock: { driftMs: replica === undefined ? 0 : Math.max(0, replica.instant.wallMs - options.world.now()) },
      rejections: refusals.list(),
    };
  }

  async createMesh({ name }: { name: string }): Promise<{ id: string; name: string }> {
    const { keeper } = await this.#node.found(name);
    return { id: keeper.replica.meshId, name };
  }

  async join({ address }: { address: string }): Promise<{ id: string; name: string; members: number }> {
    const { keeper } = await this.#node.join(address);
    const { roster, members, meshId } = keeper.replica.membership;
    return { id: meshId, name: roster?.name ?? "", members: members.size };
  }

  async admit(options: { peerId: string; name?: string }): Promise<{ peerId: string }> {
    const { keeper } = this.#membered();
    await keeper.write([admissionWrite(keeper.replica, options)]);
    return { peerId: options.peerId };
  }

  async members(): Promise<MemberView[]> {
    const { mesh } = this.#node;
    const { keeper, antiEntropy } = this.#membered();
    const { replica } = keeper;
    const { members, retired, roster } = replica.membership;
    const connected = new Set(mesh.connected());
    const ownRoot = replica.root();
    const view = (peerId: PeerId, state: MemberView["state"]): MemberView => {
      const isSelf = peerId === keeper.self;
      const root = isSelf ? ownRoot : (antiEntropy.rootOf(peerId)?.root ?? null);
      return {
        peerId,
        name: this.#node.nameOf(peerId),
        state,
        voter: roster?.voters.includes(peerId) ?? false,
        connected: isSelf || connected.has(peerId),
        addresses: isSelf ? mesh.addresses() : addressesOf(replica, peerId),
        root,
        inSync: root === ownRoot,
      };
    };
    return [
      ...[...members].sort().map((peerId) => view(peerId, "active")),
      ...[...retired].sort().map((peerId) => view(peerId, "retired")),
    ];
  }

  async pending(): Promise<PendingView[]> {
    return this.#node.mesh.knocks().map((knock) => ({ ...knock, name: null }));
  }

  // --- domains ---

  async shareDomain({ domain }: { domain: string }): Promise<DomainView> {
    const { keeper, loop } = this.#membered();
    const { replica } = keeper;
    const found = await this.#findLocalDomain(domain);
    if (found.id === "default")
      throw new ControlError(
        "DEFAULT_DOMAIN",
        "the default domain is never shared: it has the same ID in every cloud. Share a domain of your own",
      );
    const domainId = parseKeystoneId(found.id);
    if (domainId === undefined)
      throw new ControlError(
        "BAD_DOMAIN_ID",
        `domain ${found.name} has the ID ${found.id}: only IDs of 32 lower-case hex digits can be shared`,
      );
    const set = domainSet(keeper.self, domainId);
    const rival = agreedDomains(replica).find((other) => other.domainId === domainId && other.set !== set);
    if (rival !== undefined)
      throw new ControlError(
        "ALREADY_AGREED",
        `this cloud has accepted domain ${domainId} from ${this.#node.nameOf(ownerOf(rival.set))}: it can't share it as its own too`,
      );
    const writes: Write[] = [{ set, kind: "local", id: localId(keeper.self), fields: { mode: "mirror" } }];
    if (replica.set(set) === undefined || replica.set(set)?.record("authority", domainId) === undefined) {
      writes.unshift(
        { set, kind: "authority", id: domainId, fields: { audience: null } },
        {
          set,
          kind: "domain",
          id: domainId,
          fields: { name: found.name, description: found.description, enabled: found.enabled },
        },
      );
    }
    await keeper.write(writes);
    loop.scanSoon();
    return this.#domainRow(set);
  }

  async acceptDomain(options: {
    domain: string;
    owner?: string;
    mode?: AgreementMode;
    name?: string;
  }): Promise<DomainView> {
    const { keeper, loop } = this.#membered();
    const { replica } = keeper;
    const { set, owner, domainId } = this.#findShared(options);
    if (owner === keeper.self)
      throw new ControlError(
        "OWN_DOMAIN",
        `domain ${domainId} is shared by this cloud itself: there is nothing to accept`,
      );
    const rival = agreedDomains(replica).find((other) => other.domainId === domainId && other.set !== set.name);
    if (rival !== undefined)
      throw new ControlError(
        "ALREADY_AGREED",
        `domain ${domainId} is accepted from ${this.#node.nameOf(ownerOf(rival.set))} already: a domain has one owner here`,
      );
    const name =
      options.name ?? String(replica.field({ set: set.name, kind: "domain", id: domainId }, "name")?.value ?? "");
    const here = await this.#node.api.getDomain(domainId);
    await this.#refuseTakenName(domainId, name);
    const isFirst = domainView(replica, set)?.mode === "none";
    // Two populated clouds meet: look first, write when the operator says so.
    const mode = options.mode ?? (here !== undefined && isFirst ? "observe" : "mirror");
    await keeper.write([
      {
        set: set.name,
        kind: "local",
        id: localId(keeper.self),
        fields: { mode, ...(options.name === undefined ? {} : { name: options.name }) },
      },
    ]);
    loop.scanSoon();
    return this.#domainRow(set.name);
  }

  async #refuseTakenName(domainId: string, name: string): Promise<void> {
    const taken = (await this.#node.api.listDomains()).find(
      (other) => other.id !== domainId && foldName(other.name) === foldName(name),
    );
    if (taken === undefined) return;
    throw new ControlError(
      "NAME_TAKEN",
      `this Keystone has another domain named ${taken.name} (${taken.id}): accept with --name to give the shared one another name here`,
    );
  }

  async grant({
    domain,
    peerId,
    scopes,
  }: {
    domain: string;
    peerId: string;
    scopes: readonly Scope[];
  }): Promise<DomainView> {
    const { keeper } = this.#membered();
    const { replica } = keeper;
    const { set, owner, domainId } = this.#findShared({ domain, owner: keeper.self });
    if (owner !== keeper.self)
      throw new ControlError(
        "NOT_THE_OWNER",
        `domain ${domainId} is owned by ${this.#node.nameOf(owner)}: only its owner grants`,
      );
    const signer = parsePeerId(peerId);
    if (signer === undefined || !replica.membership.members.has(signer))
      throw new ControlError("NOT_A_MEMBER", `${peerId} is no member: keymesh member list shows who is`);
    if (signer === keeper.self) throw new ControlError("OWN_DOMAIN", "the owner holds every scope already");
    const held = set.authority?.signers.get(signer);
    const dropped = SCOPES.filter((scope) => held?.since.has(scope) && !scopes.includes(scope));
    if (dropped.length > 0)
      throw new ControlError(
        "WOULD_REVOKE",
        `${this.#node.nameOf(signer)} holds ${dropped.join(", ")} too: a grant adds scopes, name all that it is to hold`,
      );
    // A new scope counts from this grant's own stamp on, so `since` is the stamp that the entry will get.
    await keeper.write((next) => [
      {
        set: set.name,
        kind: "authority",
        id: domainId,
        fields: { [SIGNER_PREFIX + signer]: grantValue(held, scopes, next) },
      },
    ]);
    return this.#domainRow(set.name);
  }

  async domains(): Promise<DomainView[]> {
    const { keeper } = this.#membered();
    return keeper.replica
      .sets()
      .filter((set) => set.identity.is === "domain" && set.size > 0)
      .map((set) => this.#domainRow(set.name));
  }

  // --- projects ---

  async projects({ domain }: { domain?: string }): Promise<ProjectView[]> {
    const { keeper, loop } = this.#membered();
    const standings = loop.standings();
    const wanted = domain === undefined ? undefined : this.#findShared({ domain }).domainId;
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
    const { keeper, loop } = this.#membered();
    const { replica } = keeper;
    const holding = replica
      .sets()
      .filter(
        (set) =>
          set.identity.is === "domain" && (set.version("project", id) ?? set.version("domain", id)) !== undefined,
      );
    const agreed = new Set(agreedDomains(replica).map(({ set }) => set));
    const set = holding.find(({ name }) => agreed.has(name)) ?? holding[0];
    if (set === undefined)
      throw new ControlError("UNKNOWN_PROJECT", `no record has the ID ${id}: keymesh project list shows those that do`);
    const kind = set.version("project", id) === undefined ? "domain" : "project";
    const fields = [...replica.fields({ set: set.name, kind, id })].map(([field, { value, entry }]) => {
      const { wallMs, counter, origin } = entry.stamp;
      return [field, { value, stamp: [wallMs, counter], origin, originName: this.#node.nameOf(origin) }] as const;
    });
    const object = await this.#node.api.getProject(id);
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
      why: standing?.why ?? fallback,
    };
  }

  async plan(): Promise<PlanView[]> {
    const { loop } = this.#membered();
    return loop
      .plans()
      .flatMap(({ plan: { actions } }) =>
        actions.map(({ action, kind, id, fields, because }) => ({ action, kind, id, fields, because })),
      );
  }

  async holds(): Promise<HoldView[]> {
    return [...this.#node.memory.holds.values()].filter(isWaiting).map(({ id, kind, what, why, objects, sinceMs }) => ({
      id,
      kind,
      what,
      why,
      count: objects.length,
      since: sinceMs,
      objects,
    }));
  }

  async decideHold({
    id,
    decision,
  }: {
    id: string;
    decision: "approve" | "reject";
  }): Promise<{ id: string; decision: "approve" | "reject" }> {
    const decided = await this.#node.memory.decide(id, decision);
    if (decided === undefined)
      throw new ControlError("UNKNOWN_HOLD", `there is no hold ${id}: keymesh hold list shows those that wait`);
    this.#node.membered?.loop.scanSoon();
    return { id, decision };
  }

  // --- finding things ---

  #membered(): Membered {
    const { membered } = this.#node;
    if (membered === undefined)
      throw new ControlError(
        "NO_MESH",
        "this node is in no mesh yet: keymesh mesh create NAME founds one, keymesh join ADDRESS enters one",
      );
    return membered;
  }

  async #findLocalDomain(wanted: string): Promise<DomainObject> {
    const domains = await this.#node.api.listDomains();
    const found = domains.find(({ id }) => id === wanted) ?? domains.find(({ name }) => name === wanted);
    if (found === undefined)
      throw new ControlError("UNKNOWN_DOMAIN", `this Keystone has no domain with the ID or name ${wanted}`);
    return found;
  }

  /** A shared domain by ID or name; its owner tells apart two of the same. */
  #findShared({ domain, owner }: { domain: string; owner?: string }): SharedSet {
    const { replica } = this.#membered().keeper;
    const candidates = replica.sets().flatMap((set): SharedSet[] => {
      const { identity } = set;
      if (identity.is !== "domain" || set.size === 0 || (owner !== undefined && identity.owner !== owner)) return [];
      const name = replica.field({ set: set.name, kind: "domain", id: identity.domainId }, "name")?.value;
      return identity.domainId === domain || name === domain
        ? [{ set, owner: identity.owner, domainId: identity.domainId }]
        : [];
    });
    const [first, second] = candidates;
    if (first === undefined)
      throw new ControlError(
        "UNKNOWN_DOMAIN",
        `no shared domain has the ID or name ${domain}: keymesh domain list shows those that are`,
      );
    if (second !== undefined)
      throw new ControlError(
        "AMBIGUOUS_DOMAIN",
        `${domain} is shared by ${candidates.map((one) => one.owner).join(" and ")}: say which with --owner`,
      );
    return first;
  }

  #domainRow(name: SetName): DomainView {
    const { replica } = this.#membered().keeper;
    const set = replica.set(name);
    const view = set === undefined ? undefined : domainView(replica, set);
    if (set === undefined || view === undefined || set.authority === undefined)
      throw new ControlError("UNKNOWN_DOMAIN", `no shared domain ${name}`);
    const { authority } = set;
    return {
      id: view.domainId,
      name: String(fieldValue(view.domain, "name") ?? ""),
      owner: authority.owner,
      ownerName: this.#node.nameOf(authority.owner),
      signers: Object.fromEntries(
        [authority.owner, ...authority.signers.keys()]
          .map((peerId) => [peerId, scopesOf(authority, peerId)] as const)
          .filter(([, scopes]) => scopes.length > 0),
      ),
      agreement: view.mode,
      projects: [...view.projects.values()].filter((record) => !isTombstone(record)).length,
    };
  }
}

function ownerOf(set: SetName): PeerId {
  return set.split("/")[1] as PeerId;
}
