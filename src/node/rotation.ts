// A rotation as this node lives it: a new key, let in like any member, takes everything over from the old one, which then
// goes. Each step is worked out from the records, the key files and one row in the store, and done only where it is still
// missing: after a crash the next look goes on. The one point of no return is a single batch, in which the old key passes
// its domains on and the row says so; the key files follow it when the node starts next (ADR 0014).
import type { Entry } from "../core/entry.ts";
import { ROTATION_ANSWER_MS, ROTATION_LAST_LOOK_MS, ROTATION_LOOK_MS } from "../core/limits.ts";
import { entering, signedInstead, wordFor } from "../core/rotation.ts";
import { setOwner } from "../core/set-name.ts";
import { ClockOffError } from "./clock-watch.ts";
import { ControlError } from "./control.ts";
import type { RotationKeys } from "./identity-keys.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { refusalIn } from "./roster-words.ts";
import { type RotationMemory, readRotation, rotationBatch } from "./rotation-memory.ts";
import { announce, blockers, handOver, tellFirst } from "./rotation-passing.ts";
import { retireOld, takeAllLate, takeLate, takeOver } from "./rotation-taking.ts";
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
  /** Everything is passed on by this very process: it is about to be started anew. */
  #isSwitching = false;
  #begun: Promise<void> = Promise.resolve();
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

  /**
   * Begins a rotation, or goes on with the one under way; `now`: whatever other owners have not done yet.
   * Errors: CLOCK_OFF, NOT_A_MEMBER, SIGNED_ANOTHER, a code of `NextRoster`; MeshError, StoreError.
   */
  begin(options: { now: boolean }): Promise<void> {
    const begun = this.#begun.then(() => this.#begin(options)); // Two at once would make two keys.
    this.#begun = begun.catch(() => undefined); // Who asked is told.
    return begun;
  }

  async #begin(options: { now: boolean }): Promise<void> {
    const { node, keys } = this.#options;
    const { keeper } = memberedOf(node);
    if (keeper.clockOff !== undefined) throw keeper.clockOff;
    if (await this.#isToBegin()) {
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

  /** Not while one is under way; but anew where its next key was lost before anybody was let in by it. */
  async #isToBegin(): Promise<boolean> {
    const { node, keys } = this.#options;
    if (this.#memory === undefined || this.#memory.doneMs !== null) return true;
    const { to, handedMs } = this.#memory;
    if (handedMs !== null || memberedOf(node).keeper.replica.membership.members.has(to)) return false;
    return (await keys.next())?.peerId !== to;
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
    if (step.is === "refused") throw refusalIn(step, (peerId) => this.#options.node.nameOf(peerId));
    if (step.is !== "wanted") return;
    const other = signedInstead(step.roster, membership, keeper.self);
    if (other !== undefined)
      throw new ControlError(
        "SIGNED_ANOTHER",
        `this voter signed another roster that is still open (${other.hash.slice(0, 12)}): to sign two may split the mesh. It goes on once that one holds`,
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
      const { peerId } = this.#options.node.identity;
      if (peerId === rotation.from && rotation.handedMs !== null && !this.#isSwitching) throw nextKeyGone(rotation);
      if (peerId === rotation.from && rotation.handedMs === null) await this.#passOn(rotation);
      else if (peerId === rotation.to) await this.#goOn(rotation);
      this.#trouble = undefined;
    } catch (error) {
      const trouble = error instanceof Error ? error.message : String(error);
      if (trouble !== this.#trouble && !(error instanceof ClockOffError))
        this.#options.node.options.log.warn({ error }, "a rotation can't go on yet");
      this.#trouble = trouble;
    }
  }

  async #passOn(rotation: RotationMemory): Promise<void> {
    const { node, keys, restart } = this.#options;
    const { keeper } = memberedOf(node);
    await this.#propose(rotation); // A crash may have come before it was, or another roster since.
    if (entering(rotation, keeper.replica.membership).is !== "held") return;
    const next = await keys.next();
    if (next?.peerId !== rotation.to) throw nextKeyGone(rotation);
    await announce(node, next);
    if (blockers(node, rotation).length > 0) return;
    await tellFirst(node, rotation);
    await handOver(node, rotation, {
      done: (handed) => {
        this.#memory = handed;
        this.#isSwitching = true;
      },
      restart,
    });
  }

  async #goOn(rotation: RotationMemory): Promise<void> {
    const { node, keys } = this.#options;
    await takeOver(node, rotation);
    if (!(await retireOld(node, rotation, keys))) return;
    await keys.forgetOld();
    await this.#remember({ ...rotation, doneMs: node.options.world.now() });
    node.options.log.info({ audit: "identity.rotated", from: rotation.from, to: rotation.to }, "the old key is gone");
  }

  /** News came: what signers wrote late into a set of a former key is taken over at once, before they are told that they are settled. */
  hear(news: readonly Entry[]): void {
    const { node } = this.#options;
    const isLate = ({ set }: Entry) => node.memory.former.has(setOwner(set) ?? node.identity.peerId);
    if (node.memory.former.size === 0 || !news.some(isLate)) return;
    this.#late(takeLate(node, news));
  }

  #late(taking: Promise<void>): void {
    taking.catch((error: unknown) => {
      if (!this.#isStopped)
        this.#options.node.options.log.warn({ error }, "what signers wrote late is taken over with the next start");
    });
  }

  /** Takes what the old key passed on. Before the Keystone loop runs: to it a domain must be ours, or not be there. */
  async takeOver(): Promise<void> {
    const rotation = this.#memory;
    const { node } = this.#options;
    if (rotation?.to === node.identity.peerId && rotation.doneMs === null) await takeOver(node, rotation);
    this.#late(takeAllLate(node));
  }

  async #remember(rotation: RotationMemory): Promise<void> {
    await this.#options.node.store.write({ meta: rotationBatch(rotation) });
    this.#memory = rotation;
  }
}

function nextKeyGone({ to }: RotationMemory): ControlError {
  return new ControlError(
    "NEXT_KEY_GONE",
    `identity-next.key, the key of ${to}, is not in the data directory any more: put it back from a backup, and start the node anew`,
  );
}
