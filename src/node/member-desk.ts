// Members, for the operator: who is in, who knocks, and the words that let a peer in.
import type { PeerId } from "../core/peer-id.ts";
import type { MemberView, PendingView } from "./control.ts";
import { heartbeatView } from "./health-view.ts";
import { checkName, memberedOf } from "./membered.ts";
import { addressesOf, admissionWrite } from "./membership-desk.ts";
import type { Node } from "./node.ts";

export class MemberDesk {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  async createMesh({ name }: { name: string }): Promise<{ id: string; name: string }> {
    checkName(name);
    const { keeper } = await this.#node.entrance.found(name);
    return { id: keeper.replica.meshId, name };
  }

  async join({ address }: { address: string }): Promise<{ id: string; name: string; members: number }> {
    const { keeper } = await this.#node.entrance.join(address);
    const { roster, members, meshId } = keeper.replica.membership;
    return { id: meshId, name: roster?.name ?? "", members: members.size };
  }

  async admit(options: { peerId: string; name?: string }): Promise<{ peerId: string }> {
    const { keeper } = memberedOf(this.#node);
    if (options.name !== undefined) checkName(options.name);
    await keeper.write([admissionWrite(keeper.replica, options)]);
    return { peerId: options.peerId };
  }

  async list(): Promise<MemberView[]> {
    const { mesh } = this.#node;
    const { keeper, antiEntropy, heartbeats } = memberedOf(this.#node);
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
        inSync: isSelf || antiEntropy.isInSync(peerId),
        heartbeat: heartbeatView(heartbeats.lastWord(peerId)),
      };
    };
    return [
      ...[...members].sort().map((peerId) => view(peerId, "active")),
      ...[...retired].sort().map((peerId) => view(peerId, "retired")),
    ];
  }

  async pending(): Promise<PendingView[]> {
    memberedOf(this.#node); // Outside of a mesh everybody is refused, and nobody can be admitted.
    return this.#node.mesh.knocks().map((knock) => ({ ...knock, name: null }));
  }
}
