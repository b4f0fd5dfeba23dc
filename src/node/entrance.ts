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
};

export class Entrance {
  readonly #options: EntranceOptions;
  #isEntering = false;

  constructor(options: EntranceOptions) {
    this.#options = options;
  }

  found(name: string): Promise<Membered> {
    return this.#alone(() => this.#found(name));
  }

  /** Joins through a member. A node that knows its mesh already only tries that address again. */
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

  async #found(name: string): Promise<Membered> {
    this.#refuseSecondMesh();
    const nonce = Buffer.from(this.#options.node.options.world.randomBytes(16)).toString("hex");
    const { meshId, write } = foundingWrite(this.#options.node.identity.peerId, { name, nonce });
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
    const meshId = openWelcome(await this.#options.node.mesh.askWelcome(address));
    if (this.#options.node.membered !== undefined) {
      if (this.#options.node.membered.keeper.replica.meshId !== meshId) this.#refuseSecondMesh();
      return this.#options.node.membered;
    }
    const through = { peerId, address };
    const memory: MeshMemory = { id: meshId, through };
    await this.#options.node.store.write({ meta: [["mesh", memory]] });
    const membered = await this.#options.enter(await this.#options.openKeeper(meshId), through);
    await this.#firstSession(membered, peerId);
    return membered;
  }

  /** Waits until the roster has come through the member that we joined through. It goes on coming if this gives up. */
  async #firstSession({ keeper, antiEntropy }: Membered, peerId: PeerId): Promise<void> {
    const { world } = this.#options.node.options;
    const untilMs = world.now() + JOIN_WAIT_MS;
    while (keeper.replica.membership.roster === undefined && world.now() < untilMs) {
      if (!(await antiEntropy.sync(peerId)))
        await new Promise<void>((resolve) => void world.after(REDIAL_MIN_MS, resolve));
    }
    if (keeper.replica.membership.roster === undefined)
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
