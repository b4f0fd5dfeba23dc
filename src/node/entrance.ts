// The entrance: how a node comes into a mesh, by founding one or through a member of one. One node, one mesh.
import type { MeshId } from "../core/codec.ts";
import { JOIN_WAIT_MS, REDIAL_MIN_MS } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { ControlError } from "./control.ts";
import { foundingWrite, type MeshMemory, openWelcome } from "./membership-desk.ts";
import type { Membered, Node } from "./node.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";

export type EntranceOptions = {
  readonly node: Pick<Node, "options" | "identity" | "mesh" | "membered" | "store">;
  openKeeper(meshId: MeshId): Promise<ReplicaKeeper>;
  /** Starts everything that needs a mesh. `through` is the member that we came through, if any. */
  enter(keeper: ReplicaKeeper, through: MeshMemory["through"]): Promise<Membered>;
  /** Reaches out through this member, though we were told that we are none any more. */
  reenter(through: NonNullable<MeshMemory["through"]>): void;
};

export class Entrance {
  readonly #options: EntranceOptions;
  #isEntering = false;

  constructor(options: EntranceOptions) {
    this.#options = options;
  }

  found(options: { name: string; recovery?: PeerId | undefined }): Promise<Membered> {
    return this.#alone(() => this.#found(options));
  }

  /** Joins through a member. A node that is in its mesh only tries that address; one that was, comes back by it. */
  join(address: string): Promise<Membered> {
    return this.#alone(() => this.#join(address));
  }

  /** Two at once could enter two meshes. */
  async #alone<T>(enter: () => Promise<T>): Promise<T> {
    if (this.#isEntering)
      throw new ControlError("BUSY", "this node is entering a mesh just now: keymesh status shows how it ended");
    this.#isEntering = true;
    try {
      return await enter();
    } finally {
      this.#isEntering = false;
    }
  }

  async #found(options: { name: string; recovery?: PeerId | undefined }): Promise<Membered> {
    this.#refuseSecondMesh();
    const nonce = Buffer.from(this.#options.node.options.world.randomBytes(16)).toString("hex");
    const { meshId, write } = foundingWrite(this.#options.node.identity.peerId, { ...options, nonce });
    const keeper = await this.#options.openKeeper(meshId);
    const memory: MeshMemory = { id: meshId, through: null };
    await keeper.write([write], { meta: [["mesh", memory]] });
    return this.#options.enter(keeper, null);
  }

  async #join(address: string): Promise<Membered> {
    const peerId = parsePeerId(address.split("/p2p/")[1] ?? "");
    if (peerId === undefined)
      throw new ControlError(
        "BAD_ADDRESS",
        `${address} does not end in /p2p/PEERID: keymesh member list on the other cloud shows it`,
      );
    const { meshId, follow } = openWelcome(await this.#options.node.mesh.askWelcome(address));
    const through = { peerId, address };
    const memory: MeshMemory = { id: meshId, through };
    const { membered: before } = this.#options.node;
    if (before !== undefined) {
      if (before.keeper.replica.meshId !== meshId) this.#refuseSecondMesh();
      if (isIn(before)) return before;
      await this.#options.node.store.write({ meta: [["mesh", memory]] });
      this.#options.reenter(through); // The member welcomed us: it knows more of who is in than we do.
      await this.#firstSession(before, peerId);
      return before;
    }
    await this.#options.node.store.write({ meta: [["mesh", memory]] });
    const keeper = await this.#options.openKeeper(meshId);
    if (follow !== undefined) await keeper.follow(follow);
    const membered = await this.#options.enter(keeper, through);
    await this.#firstSession(membered, peerId);
    return membered;
  }

  /** Waits until the member that we joined through has told us that we are in. It goes on coming if this gives up. */
  async #firstSession(membered: Membered, peerId: PeerId): Promise<void> {
    const { antiEntropy } = membered;
    const { world } = this.#options.node.options;
    const untilMs = world.now() + JOIN_WAIT_MS;
    while (!isIn(membered) && world.now() < untilMs) {
      await antiEntropy.sync(peerId);
      // A whole session may not say so yet: an admission by a clock ahead of ours waits here until it is due.
      if (!isIn(membered)) await new Promise<void>((resolve) => void world.after(REDIAL_MIN_MS, resolve));
    }
    if (!isIn(membered))
      throw new ControlError(
        "JOIN_INCOMPLETE",
        `the mesh is known, but its roster has not come from ${peerId} yet: the node goes on trying, keymesh status shows when it is in`,
      );
  }

  #refuseSecondMesh(): void {
    if (this.#options.node.membered === undefined) return;
    const { roster } = this.#options.node.membered.keeper.replica.membership;
    throw new ControlError(
      "ALREADY_IN_A_MESH",
      `this node is in the mesh ${roster?.name ?? this.#options.node.membered.keeper.replica.meshId} already: one node, one mesh`,
    );
  }
}

function isIn({ keeper }: Membered): boolean {
  const { roster, members } = keeper.replica.membership;
  return roster !== undefined && members.has(keeper.self);
}
