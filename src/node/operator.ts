// The operator's verbs, on a running node. Each does the whole of it, durably, or says why not and has done nothing.
// One desk for each subject; here stands what speaks of the whole node.
import type { Scope } from "../core/kinds.ts";
import { AudienceDesk } from "./audience-desk.ts";
import { ConflictDesk } from "./conflict-desk.ts";
import type {
  BlockView,
  ConflictView,
  Control,
  DomainView,
  ExplainView,
  MemberView,
  PendingView,
  PlanView,
  ProjectView,
  RotationView,
  StatusView,
  SwitchView,
} from "./control.ts";
import { NOTIFICATIONS_OFF } from "./control.ts";
import type { LetGoView, RevokeRequest, RevokeView, ShareOptions, SignerView } from "./control-domains.ts";
import type { HoldDetailView, HoldView } from "./control-holds.ts";
import type { MembershipControl } from "./control-membership.ts";
import { DomainDesk } from "./domain-desk.ts";
import { ExplainDesk } from "./explain-desk.ts";
import { GrantDesk } from "./grant-desk.ts";
import { healthOf } from "./health-view.ts";
import { HoldDesk } from "./hold-desk.ts";
import { isWaiting } from "./keystone-memory.ts";
import { LeavingDesk } from "./leaving.ts";
import { MemberDesk } from "./member-desk.ts";
import { meshStanding } from "./membership-desk.ts";
import type { Node } from "./node.ts";
import { ProjectDesk } from "./project-desk.ts";

import { refusalsOf } from "./refusal-views.ts";
import { RosterDesk } from "./roster-desk.ts";
import { rotateIdentity } from "./rotation-desk.ts";
import { rotationView } from "./rotation-view.ts";

import { SwitchDesk } from "./switch-desk.ts";
import { TakeoverDesk } from "./takeover-desk.ts";

export class Operator implements Control {
  readonly #node: Node;
  readonly #members: MemberDesk;
  readonly #rosters: RosterDesk;
  readonly #leaving: LeavingDesk;
  readonly #domains: DomainDesk;
  readonly #projects: ProjectDesk;
  readonly #conflicts: ConflictDesk;
  readonly #explains: ExplainDesk;
  readonly #switches: SwitchDesk;
  readonly #audiences: AudienceDesk;
  readonly #grants: GrantDesk;
  readonly #takeovers: TakeoverDesk;
  readonly #holds: HoldDesk;

  constructor(node: Node) {
    this.#node = node;
    this.#members = new MemberDesk(node);
    this.#rosters = new RosterDesk(node);
    this.#leaving = new LeavingDesk(node, this.#rosters);
    this.#domains = new DomainDesk(node);
    this.#projects = new ProjectDesk(node, this.#domains);
    this.#conflicts = new ConflictDesk(node, this.#domains);
    this.#explains = new ExplainDesk(node);
    this.#switches = new SwitchDesk(node, this.#domains);
    this.#audiences = new AudienceDesk(node, this.#domains);
    this.#grants = new GrantDesk(node, this.#domains);
    this.#takeovers = new TakeoverDesk(node, this.#domains);
    this.#holds = new HoldDesk(node);
  }

  async status(): Promise<StatusView> {
    const { options, identity, mesh, memory, membered } = this.#node;
    const replica = membered?.keeper.replica;
    const standings = [...(membered?.loop.standings().values() ?? [])].flatMap((one) => [...one.values()]);
    return {
      peerId: identity.peerId,
      name: options.config.name,
      version: options.version,
      mesh: replica === undefined ? null : meshStanding(replica),
      members: replica?.membership.members.size ?? 0,
      connected: mesh.connected(),
      addresses: mesh.addresses(),
      replica: {
        records: replica?.recordCount ?? 0,
        root: replica?.root() ?? "",
        heldStamps: replica?.heldCount ?? 0,
      },
      sync: membered?.antiEntropy.progress().map((one) => ({ ...one, name: this.#node.nameOf(one.peer) })) ?? [],
      keystone: {
        state: membered?.loop.state ?? "ok",
        why: membered?.loop.why ?? null,
        pending: standings.filter(({ state }) => state === "pending").length,
        stuck: membered?.loop.stuckCount ?? 0,
        applying: membered?.loop.progress ?? null,
        held: [...memory.holds.values()]
          .filter(isWaiting)
          .reduce((sum, { objects }) => sum + Math.max(1, objects.length), 0),
        replaced: memory.replaced.total,
        lastScanMs: membered?.loop.lastScanMs ?? null,
        unseen: membered?.loop.unseen ?? [],
        creates: membered?.loop.creates ?? [],
        scans: membered?.loop.scans ?? { by: "api", detail: null },
        events: memory.state.events,
        notifications: membered?.loop.notifications ?? NOTIFICATIONS_OFF,
      },
      work: this.#node.ownerWork.view,
      ...healthOf(this.#node),
      rotation: rotationView(this.#node, this.#node.rotation),
      switched: membered === undefined ? [] : this.#domains.switched(),
      blocked: this.#members.blocked(),
      ...refusalsOf(this.#node),
      audit: this.#node.audit?.view() ?? null,
    };
  }

  createMesh(options: { name: string; recovery?: string }): Promise<{ id: string; name: string }> {
    return this.#members.createMesh(options);
  }

  join(options: { address: string }): Promise<{ id: string; name: string; members: number }> {
    return this.#members.join(options);
  }

  admit(options: { peerId: string; name?: string }): ReturnType<MembershipControl["admit"]> {
    return this.#members.admit(options);
  }

  rotateIdentity(options: { now?: boolean }): Promise<RotationView> {
    return rotateIdentity(this.#node, options);
  }

  retire(options: { peerId: string; rival?: boolean }): ReturnType<MembershipControl["retire"]> {
    return this.#leaving.retire(options);
  }

  leave(): ReturnType<MembershipControl["leave"]> {
    return this.#leaving.leave();
  }

  async proposals(): ReturnType<MembershipControl["proposals"]> {
    return this.#rosters.proposals();
  }

  sign(options: Parameters<MembershipControl["sign"]>[0]): ReturnType<MembershipControl["sign"]> {
    return this.#rosters.sign(options);
  }

  follow(options: { roster: string }): ReturnType<MembershipControl["follow"]> {
    return this.#rosters.follow(options);
  }

  async policy(): ReturnType<MembershipControl["policy"]> {
    return this.#rosters.policy();
  }

  changePolicy(
    options: Parameters<MembershipControl["changePolicy"]>[0],
  ): ReturnType<MembershipControl["changePolicy"]> {
    return this.#rosters.changePolicy(options);
  }

  async history(): ReturnType<MembershipControl["history"]> {
    return this.#rosters.history();
  }

  block(options: { peerId: string }): Promise<BlockView> {
    return this.#members.block(options);
  }

  unblock(options: { peerId: string }): Promise<{ peerId: string; name: string }> {
    return this.#members.unblock(options);
  }

  members(): Promise<MemberView[]> {
    return this.#members.list();
  }

  pending(): Promise<PendingView[]> {
    return this.#members.pending();
  }

  shareDomain(options: ShareOptions): Promise<DomainView> {
    return options.anew === true ? this.#takeovers.shareAnew(options) : this.#audiences.share(options);
  }

  unshareDomain(options: { domain: string; confirmed?: boolean }): Promise<LetGoView> {
    return this.#audiences.unshare(options);
  }

  acceptDomain(options: Parameters<Control["acceptDomain"]>[0]): Promise<DomainView> {
    return this.#domains.accept(options);
  }

  ignoreDomain(options: { domain: string; owner?: string }): Promise<DomainView> {
    return this.#domains.ignore(options);
  }

  switchDomain(options: { domain: string; owner?: string; enabled: boolean }): Promise<DomainView> {
    return this.#switches.domain(options);
  }

  switchProject(options: { id: string; enabled: boolean }): Promise<SwitchView> {
    return this.#switches.project(options);
  }

  optOut(options: { id: string; out: boolean }): Promise<SwitchView> {
    return this.#switches.optOut(options);
  }

  grant(options: { domain: string; peerId: string; scopes: readonly Scope[] }): Promise<DomainView> {
    return this.#grants.grant(options);
  }

  revoke(options: RevokeRequest): Promise<RevokeView> {
    return this.#grants.revoke(options);
  }

  transferDomain(options: { domain: string; peerId: string; confirmed?: boolean }): Promise<LetGoView> {
    return this.#takeovers.pass(options);
  }

  takeDomain(options: { domain: string; owner?: string }): Promise<DomainView> {
    return this.#takeovers.take(options);
  }

  async signer(options: { peerId: string; domain: string }): Promise<SignerView> {
    return this.#node.signers.ask(options);
  }

  domains(): Promise<DomainView[]> {
    return this.#domains.list();
  }

  projects(options: { domain?: string }): Promise<ProjectView[]> {
    return this.#projects.list(options);
  }

  conflicts(options: { domain?: string }): Promise<ConflictView[]> {
    return this.#conflicts.list(options);
  }

  explain(options: { id: string }): Promise<ExplainView> {
    return this.#explains.explain(options);
  }

  plan(): Promise<PlanView[]> {
    return this.#projects.plan();
  }

  holds(): Promise<HoldView[]> {
    return this.#holds.list();
  }

  showHold(options: { id: string }): Promise<HoldDetailView> {
    return this.#holds.show(options);
  }

  decideHold(options: {
    id: string;
    decision: "approve" | "reject";
  }): Promise<{ id: string; decision: "approve" | "reject" }> {
    return this.#holds.decide(options);
  }
}
