// How members go: retired by the voters, or by their own word; what each leaves behind, and when it may not go yet.
import { scopesOf } from "../core/authority.ts";
import { LEAVE_TELLS_MAX, LEAVE_TRIES_MAX, REDIAL_MIN_MS } from "../core/limits.ts";
import { type Leave, leave, ownedDomains } from "../core/next-roster.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Replica } from "../core/replica.ts";
import { parseSetName, type SetName } from "../core/set-name.ts";
import { ControlError } from "./control.ts";
import type { LeftBehindView, ProposalView } from "./control-membership.ts";
import { memberedOf, peerIdFrom } from "./membered.ts";
import type { Node } from "./node.ts";
import type { RosterDesk } from "./roster-desk.ts";

export class LeavingDesk {
  readonly #node: Node;
  readonly #rosters: RosterDesk;

  constructor(node: Node, rosters: RosterDesk) {
    this.#node = node;
    this.#rosters = rosters;
  }

  async retire(options: {
    peerId: string;
    rival?: boolean;
  }): Promise<ProposalView & { readonly leftBehind: LeftBehindView }> {
    const { keeper } = memberedOf(this.#node);
    const peerId = peerIdFrom(options.peerId);
    if (peerId === keeper.self)
      throw new ControlError("OWN_PEER", "this is our own peer ID: a node goes by keymesh member leave");
    const leftBehind = leftBehindBy(keeper.replica, peerId, (id) => this.#node.nameOf(id));
    const proposal = await this.#rosters.propose({ retire: [peerId] }, { rival: options.rival });
    return { ...proposal, leftBehind };
  }

  /** Says that this node leaves, and makes sure that a member has it. */
  async leave(): Promise<{ mesh: string; told: number }> {
    const { keeper } = memberedOf(this.#node);
    const { mesh, options } = this.#node;
    const { roster, members } = keeper.replica.membership;
    const going = leave(keeper.replica);
    if (!going.ok) throw refusalOf(going, keeper.replica);
    const connected = mesh.connected().filter((peerId) => members.has(peerId));
    if (connected.length === 0 && members.size > 1)
      throw new ControlError(
        "NOBODY_HEARS",
        "no member is connected: nobody would hear it. keymesh member list shows who is",
      );
    await keeper.write([going.write]);
    options.log.info({ audit: "member.leave", mesh: keeper.replica.meshId }, "this cloud left the mesh");
    return { mesh: roster?.name ?? "", told: await this.#tell(connected) };
  }

  /** How many have it: who ends the connection instead of a session has heard it by gossip. */
  async #tell(connected: readonly PeerId[]): Promise<number> {
    const told = await Promise.all(connected.slice(0, LEAVE_TELLS_MAX).map((peerId) => this.#hears(peerId)));
    return told.filter(Boolean).length;
  }

  async #hears(peerId: PeerId): Promise<boolean> {
    const { antiEntropy } = memberedOf(this.#node);
    const { mesh, options } = this.#node;
    for (let tries = 0; tries < LEAVE_TRIES_MAX; tries += 1) {
      if ((await antiEntropy.sync(peerId)) || !mesh.connected().includes(peerId)) return true;
      await new Promise<void>((resolve) => void options.world.after(REDIAL_MIN_MS, resolve));
    }
    return false;
  }
}

function leftBehindBy(replica: Replica, peerId: PeerId, nameOf: (peerId: PeerId) => string): LeftBehindView {
  const owns = ownedDomains(replica, peerId).map((set) => ({ id: domainIn(set), name: nameIn(replica, set) }));
  const holds = replica.domainChains().flatMap(({ present }) => {
    const authority = replica.authority(present);
    if (authority === undefined || authority.owner === peerId) return [];
    const scopes = scopesOf(authority, peerId);
    const { owner } = authority;
    const name = nameIn(replica, present);
    return scopes.length === 0 ? [] : [{ id: domainIn(present), name, owner, ownerName: nameOf(owner), scopes }];
  });
  return { owns, holds };
}

function refusalOf(refused: Extract<Leave, { ok: false }>, replica: Replica): ControlError {
  if (refused.code === "NOT_A_MEMBER")
    return new ControlError("NOT_A_MEMBER", "this node is no member: there is nothing to leave");
  if (refused.code === "LAST_VOTER")
    return new ControlError(
      "LAST_VOTER",
      "this node is the last voter, and nobody could admit or retire anybody any more: keymesh mesh policy --add-voter PEERID first",
    );
  if (refused.code === "VOTE_NEEDED")
    return new ControlError(
      "VOTE_NEEDED",
      `without this voter the others are no majority: keymesh mesh policy --remove-voter ${replica.self} first, or --add-voter PEERID`,
    );
  const owned = ("sets" in refused ? refused.sets : [])
    .map((set) => `${nameIn(replica, set)} (${domainIn(set)})`)
    .join(", ");
  return new ControlError(
    "OWNS_DOMAINS",
    `this cloud owns ${owned}, and nobody could follow it: keymesh domain transfer ID PEERID --yes hands one to another member, keymesh domain unshare ID --yes ends it`,
  );
}

function nameIn(replica: Replica, set: SetName): string {
  const id = domainIn(set);
  return String(replica.field({ set, kind: "domain", id }, "name")?.value ?? id);
}

function domainIn(set: SetName): string {
  const identity = parseSetName(set)?.identity;
  return identity?.is === "domain" ? identity.domainId : set;
}
