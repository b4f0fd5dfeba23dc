// A rotation as this node lives it: a new key, let in like any member, takes everything over from the old one, which then
// goes. Each step is worked out from the records, the key files and one row in the store, and done only where it is still
// missing: after a crash the next look goes on. The one point of no return is a single batch, in which the old key passes
// its domains on and the row says so; the key files follow it when the node starts next (ADR 0010).
import { ROTATION_ANSWER_MS, ROTATION_LAST_LOOK_MS, ROTATION_LOOK_MS, ROTATION_TELL_MS } from "../core/limits.ts";
import type { Write } from "../core/replica.ts";
import {
  entering,
  foreignDuties,
  handover,
  leavingWord,
  retiring,
  signedInstead,
  toTake,
  withoutFormer,
  wordFor,
} from "../core/rotation.ts";
import { cloudSet } from "../core/set-name.ts";
import { takeover } from "../core/takeover.ts";
import type { DomainChain } from "../core/transfers.ts";
import type { Identity } from "../mesh/identity.ts";
import { ClockOffError } from "./clock-watch.ts";
import { ControlError } from "./control.ts";
import type { RotationKeys } from "./identity-keys.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { formerBatch, type RotationMemory, readRotation, rotationBatch } from "./rotation-memory.ts";
import { wordsAnew } from "./rotation-words.ts";
import type { CancelTimer } from "./world.ts";

export type RotationOptions = {
  readonly node: Node;
  readonly keys: RotationKeys;
  /** Everything is passed on: the node is to start anew, under the next key. */
  restart(): void;
};

export class Rotation {
  readonly #options: RotationOptions;
  #memory: RotationMemory | undefined;
  #looking: Promise<void> | undefined;
  #cancelLook: CancelTimer | undefined;
  #isStopped = false;
  /** What keeps it from going on that no record says. */
  #trouble: string | undefined;

  private constructor(options: RotationOptions, memory: RotationMemory | undefined) {
    this.#options = options;
    this.#memory = memory;
  }

  static async load(options: RotationOptions): Promise<Rotation> {
    return new Rotation(options, await readRotation(options.node.store));
  }

  /** The rotation under way, or the last one that was done. */
  get memory(): RotationMemory | undefined {
    return this.#memory;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Begins a rotation, or goes on with the one under way; `now`: whatever other owners have not done yet. */
  async begin(options: { now: boolean }): Promise<void> {
    const { node, keys } = this.#options;
    const { keeper } = memberedOf(node);
    if (keeper.clockOff !== undefined) throw keeper.clockOff;
    if (this.#memory === undefined || this.#memory.doneMs !== null) {
      this.#refuseOutsider();
      const { peerId } = await keys.makeNext();
      const sinceMs = node.options.world.now();
      await this.#remember({ from: keeper.self, to: peerId, sinceMs, isUrgent: false, handedMs: null, doneMs: null });
      node.options.log.info({ audit: "identity.rotate", from: keeper.self, to: peerId }, "a rotation begins");
    }
    const rotation = this.#memory;
    if (rotation === undefined || rotation.handedMs !== null) return;
    if (options.now && !rotation.isUrgent) await this.#remember({ ...rotation, isUrgent: true });
    await this.#propose(rotation);
    this.#lookIn(ROTATION_ANSWER_MS);
  }

  #refuseOutsider(): void {
    const { keeper } = memberedOf(this.#options.node);
    if (keeper.replica.membership.members.has(keeper.self)) return;
    throw new ControlError(
      "NOT_A_MEMBER",
      "this node is no member of its mesh: there is nothing to pass to another key",
    );
  }

  async #propose(rotation: RotationMemory): Promise<void> {
    const { keeper } = memberedOf(this.#options.node);
    const { membership } = keeper.replica;
    const step = entering(rotation, membership);
    if (step.is === "refused")
      throw new ControlError(step.code, `the next roster can't be proposed as things are (${step.code})`);
    if (step.is !== "wanted") return;
    const other = signedInstead(step.roster, membership, keeper.self);
    if (other !== undefined)
      throw new ControlError(
        "SIGNED_ANOTHER",
        `this voter signed another roster that is still open (${other.hash.slice(0, 12)}): to sign two may split the mesh. Run keymesh identity rotate again once that one holds`,
      );
    await keeper.write([wordFor(step.roster, membership, keeper.self)]);
  }

  // --- going on by itself ---

  /** Looks soon: at the start, or because the roster changed. */
  start(): void {
    if (this.#memory !== undefined && this.#memory.doneMs === null) this.#lookIn(ROTATION_ANSWER_MS);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelLook?.();
    await this.#looking;
  }

  #lookIn(ms: number): void {
    this.#cancelLook?.();
    if (!this.#isStopped) this.#cancelLook = this.#options.node.options.world.after(ms, () => void this.look());
  }

  /** Does what can be done now. Never throws: what keeps it from going on is shown, and tried again. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      const { handedMs, doneMs } = this.#memory ?? { handedMs: null, doneMs: 0 };
      if (doneMs === null) this.#lookIn(handedMs === null ? ROTATION_LOOK_MS : ROTATION_LAST_LOOK_MS);
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const rotation = this.#memory;
    if (rotation === undefined || rotation.doneMs !== null || this.#isStopped) return;
    try {
      this.#trouble = undefined;
      if (this.#options.node.identity.peerId === rotation.from) await this.#passOn(rotation);
      else if (this.#options.node.identity.peerId === rotation.to) await this.#goOn(rotation);
    } catch (error) {
      this.#trouble = error instanceof Error ? error.message : String(error);
      if (!(error instanceof ClockOffError))
        this.#options.node.options.log.warn({ error }, "a rotation can't go on yet");
    }
  }

  // --- under the old key ---

  async #passOn(rotation: RotationMemory): Promise<void> {
    const { node, keys } = this.#options;
    const { keeper } = memberedOf(node);
    if (entering(rotation, keeper.replica.membership).is !== "held") return;
    const next = await keys.next();
    if (next?.peerId !== rotation.to) {
      // Lost before anything was passed to it: another key takes its place, and nothing is harmed.
      await this.#remember(undefined);
      node.options.log.error(
        { to: rotation.to },
        "the next key is gone: run keymesh identity rotate again for another",
      );
      return;
    }
    await this.#announce(next);
    if (this.blockers(rotation).length > 0 || !(await this.#isHeard(rotation))) return;
    await this.#handOver(rotation);
  }

  /** What is to be done by others first, or here; in an operator's words. */
  blockers(rotation: RotationMemory): string[] {
    const { node } = this.#options;
    const { replica } = memberedOf(node).keeper;
    const state = node.memory.state.state;
    const waits =
      state === "ok" ? [] : [`this Keystone's state is ${state}: it must be ok, so that nothing is taken for an edit`];
    if (rotation.isUrgent) return waits;
    const { onTheirWay } = handover(rotation, replica);
    for (const { domainId, pending } of onTheirWay)
      waits.push(`domain ${domainId} is on its way to ${pending?.split("/")[1]}, who has not taken it yet`);
    if (foreignDuties(rotation, replica).some(({ lacks, isLeftOut }) => lacks.length > 0 || isLeftOut))
      waits.push("other owners have not let the new peer ID in yet");
    return waits;
  }

  /** Says where the next key is reached, so that who dials us finds it: its own word, signed with it. */
  async #announce({ peerId, signer }: Identity): Promise<void> {
    const { node } = this.#options;
    const { keeper } = memberedOf(node);
    const addresses = node.mesh.addresses().map((address) => address.replace(node.identity.peerId, peerId));
    const key = { set: cloudSet(peerId), kind: "cloud", id: peerId };
    const isSaid = keeper.replica.field(key, "addresses") !== undefined;
    const write: Write = { ...key, fields: { name: node.options.config.name, addresses } };
    if (!isSaid) await keeper.writeAs(signer, [write]);
  }

  /** Whether a member has heard that the new key is let in: or nobody would open to it. */
  async #isHeard({ from, to }: RotationMemory): Promise<boolean> {
    const { node } = this.#options;
    const { keeper } = memberedOf(node);
    const others = [...keeper.replica.membership.members].filter((peerId) => peerId !== from && peerId !== to);
    if (others.length === 0 || (await this.#tellAll()) > 0) return true;
    this.#trouble = "no other member is connected that could hear of the new peer ID: keymesh member list shows who is";
    return false;
  }

  /** Sessions with all who are connected; how many ran to their end. */
  async #tellAll(): Promise<number> {
    const { node } = this.#options;
    const { antiEntropy } = memberedOf(node);
    const told = await Promise.all(node.mesh.connected().map((peerId) => antiEntropy.sync(peerId)));
    return told.filter(Boolean).length;
  }

  async #handOver(rotation: RotationMemory): Promise<void> {
    const { node, restart } = this.#options;
    const { keeper, loop } = memberedOf(node);
    if (keeper.clockOff !== undefined) throw keeper.clockOff;
    await loop.stop(); // What is edited here from now on the new key captures.
    try {
      const { writes, settled } = handover(rotation, keeper.replica);
      for (const [set, takenAt] of settled) await keeper.settle(set, takenAt);
      const handed = { ...rotation, handedMs: node.options.world.now() };
      const meta = [...rotationBatch(handed), ...formerBatch(node.memory.former, rotation.from)];
      await keeper.write(writes, { meta });
      this.#memory = handed;
      const { from, to } = rotation;
      node.options.log.info(
        { audit: "identity.handover", from, to, domains: writes.length },
        "the old key passed on all",
      );
      await Promise.race([this.#tellAll(), this.#wait(ROTATION_TELL_MS)]);
    } finally {
      restart(); // Under the old key too, if it could not be written: the loop has to run again.
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.node.options.world.after(ms, resolve));
  }

  // --- under the new key ---

  /** Takes what the old key passed on. Before the Keystone loop runs: to it a domain must be ours, or not be there. */
  async takeOver(): Promise<void> {
    const rotation = this.#memory;
    const { node } = this.#options;
    if (rotation === undefined || rotation.to !== node.identity.peerId || rotation.doneMs !== null) return;
    const { keeper } = memberedOf(node);
    const { replica } = keeper;
    for (const chain of toTake(rotation, replica)) await this.#take(rotation, chain);
    const { former } = node.memory;
    const words = replica
      .domainChains()
      .filter(({ present }) => replica.mayHold(present, keeper.self))
      .flatMap((chain) => wordsAnew(replica, chain, { former, to: chain.present }));
    if (words.length > 0) await keeper.write(words);
  }

  /** A domain and our words about it, in one batch: neither is ever ours without the other. */
  async #take(rotation: RotationMemory, chain: DomainChain): Promise<void> {
    const { node } = this.#options;
    const { keeper } = memberedOf(node);
    const { present: from, pending: to } = chain;
    if (to === undefined) return;
    let refused: string | undefined;
    await keeper.write((next) => {
      const taken = takeover(keeper.replica, { from, to, next, keepSigners: true });
      refused = taken.ok ? undefined : taken.code;
      if (!taken.ok) return [];
      const words = wordsAnew(keeper.replica, chain, { former: node.memory.former, to });
      return [...withoutFormer(taken.writes, rotation), ...words];
    });
    if (refused !== undefined) node.options.log.warn({ from, to, code: refused }, "a domain can't be taken over yet");
  }

  async #goOn(rotation: RotationMemory): Promise<void> {
    const { node, keys } = this.#options;
    const { keeper } = memberedOf(node);
    const { membership } = keeper.replica;
    await this.takeOver();
    const old = await keys.old();
    const leaving = leavingWord(rotation, membership);
    if (leaving !== undefined && old?.peerId === rotation.from) await keeper.writeAs(old.signer, [leaving]);
    const step = retiring(rotation, keeper.replica.membership);
    if (step.is === "wanted" && signedInstead(step.roster, membership, keeper.self) === undefined)
      await keeper.write([wordFor(step.roster, keeper.replica.membership, keeper.self)]);
    if (retiring(rotation, keeper.replica.membership).is !== "held" || toTake(rotation, keeper.replica).length > 0)
      return;
    await keys.forgetOld();
    await this.#remember({ ...rotation, doneMs: node.options.world.now() });
    node.options.log.info({ audit: "identity.rotated", from: rotation.from, to: rotation.to }, "the old key is gone");
  }

  async #remember(rotation: RotationMemory | undefined): Promise<void> {
    await this.#options.node.store.write({ meta: rotationBatch(rotation ?? null) });
    this.#memory = rotation;
  }
}
