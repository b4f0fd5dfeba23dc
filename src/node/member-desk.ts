// Members, for the operator: who is in, who knocks, and the words that let a peer in.
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { type BlockView, ControlError, type MemberView, type PendingView } from "./control.ts";
import type { AdmittedView } from "./control-membership.ts";
import { heartbeatView } from "./health-view.ts";
import { checkName, memberedOf, peerIdFrom } from "./membered.ts";
import { addressesOf, admissionWrite } from "./membership-desk.ts";
import type { Node } from "./node.ts";
import { namedPeers } from "./roster-views.ts";

export class MemberDesk {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  async createMesh({ name, recovery }: { name: string; recovery?: string }): Promise<{ id: string; name: string }> {
    checkName(name);
    const key = recovery === undefined ? undefined : peerIdFrom(recovery);
    if (key === this.#node.identity.peerId)
      throw new ControlError("OWN_PEER", "the recovery key must be another one than this node's own");
    const { keeper } = await this.#node.entrance.found({ name, recovery: key });
    return { id: keeper.replica.meshId, name };
  }

  async join({ address }: { address: string }): Promise<{ id: string; name: string; members: number }> {
    const door = parsePeerId(address.split("/p2p/")[1] ?? "");
    if (door !== undefined && this.#node.blocks.has(door))
      throw new ControlError(
        "BLOCKED",
        `${door} is blocked here: keymesh member unblock ${door}, or join through another`,
      );
    const { keeper } = await this.#node.entrance.join(address);
    const { roster, members, meshId } = keeper.replica.membership;
    return { id: meshId, name: roster?.name ?? "", members: members.size };
  }

  /** This voter's word; the peer is a member once as many voters gave theirs as the roster asks for. */
  async admit(options: { peerId: string; name?: string }): Promise<AdmittedView> {
    const { keeper } = memberedOf(this.#node);
    if (options.name !== undefined) checkName(options.name);
    const peerId = peerIdFrom(options.peerId);
    await keeper.write([admissionWrite(keeper.replica, options)]);
    const { members, votes, roster } = keeper.replica.membership;
    this.#node.options.log.info({ audit: "member.admit", peerId }, "this cloud's operator admitted a peer");
    return {
      peerId,
      admitted: members.has(peerId),
      votes: namedPeers(votes.get(peerId) ?? [], (voter) => this.#node.nameOf(voter)),
      needed: roster?.thresholds.admit ?? 1,
    };
  }

  async block(options: { peerId: string }): Promise<BlockView> {
    const { keeper, loop } = memberedOf(this.#node);
    const { blocks, mesh, options: node } = this.#node;
    const peerId = peerIdFrom(options.peerId);
    if (peerId === keeper.self)
      throw new ControlError("OWN_PEER", "this is our own peer ID: a node can't block itself");
    const isNew = !blocks.has(peerId);
    await blocks.add(peerId, node.world.now());
    mesh.forgetKnock(peerId);
    await mesh.recheck();
    loop.poke();
    const name = this.#node.nameOf(peerId);
    if (isNew) node.log.info({ audit: "member.block", peerId, name }, "this cloud's operator blocked a peer");
    return { peerId, name, sinceMs: blocks.list().find((block) => block.peerId === peerId)?.sinceMs ?? 0 };
  }

  async unblock(options: { peerId: string }): Promise<{ peerId: string; name: string }> {
    const { loop } = memberedOf(this.#node);
    const { blocks, mesh, options: node } = this.#node;
    const peerId = peerIdFrom(options.peerId);
    await blocks.remove(peerId);
    mesh.reach();
    loop.poke();
    const name = this.#node.nameOf(peerId);
    node.log.info({ audit: "member.unblock", peerId, name }, "this cloud's operator ended a block");
    return { peerId, name };
  }

  blocked(): BlockView[] {
    return this.#node.blocks.list().map((block) => ({ ...block, name: this.#node.nameOf(block.peerId) }));
  }

  async list(): Promise<MemberView[]> {
    const { mesh, blocks } = this.#node;
    const { keeper, antiEntropy, heartbeats } = memberedOf(this.#node);
    const { replica } = keeper;
    const { members, retired, roster, votes } = replica.membership;
    const refusedBy = new Set(mesh.refusedBy());
    const connected = new Set(mesh.connected());
    const ownRoot = replica.root();
    const view = (peerId: PeerId, state: MemberView["state"]): MemberView => {
      const isSelf = peerId === keeper.self;
      const root = isSelf ? ownRoot : (antiEntropy.rootOf(peerId)?.root ?? null);
      return {
        peerId,
        name: this.#node.nameOf(peerId),
        state: blocks.has(peerId) ? "blocked" : state,
        voter: roster?.voters.includes(peerId) ?? false,
        connected: isSelf || connected.has(peerId),
        addresses: isSelf ? mesh.addresses() : addressesOf(replica, peerId),
        root,
        inSync: isSelf || antiEntropy.isInSync(peerId),
        refusesUs: refusedBy.has(peerId),
        heartbeat: heartbeatView(heartbeats.lastWord(peerId)),
      };
    };
    const awaited = [...votes.keys()].filter((peerId) => !members.has(peerId) && !retired.has(peerId));
    const outside = blocks
      .list()
      .filter(({ peerId }) => !members.has(peerId) && !retired.has(peerId) && !awaited.includes(peerId));
    return [
      ...[...members].sort().map((peerId) => view(peerId, "active")),
      ...awaited.sort().map((peerId) => view(peerId, "pending")),
      ...[...retired].sort().map((peerId) => view(peerId, "retired")),
      ...outside.map(({ peerId }) => view(peerId, "blocked")),
    ];
  }

  async pending(): Promise<PendingView[]> {
    // Outside of a mesh everybody is refused, and nobody can be admitted.
    const { everListed, retired } = memberedOf(this.#node).keeper.replica.membership;
    return this.#node.mesh.knocks().map(({ claimedName, ...knock }) => ({
      ...knock,
      name: everListed.has(knock.peerId) ? this.#node.nameOf(knock.peerId) : (claimedName ?? null),
      was: retired.has(knock.peerId) ? "retired" : everListed.has(knock.peerId) ? "member" : null,
    }));
  }
}
