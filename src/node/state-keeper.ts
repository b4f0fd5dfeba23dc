// The state of one Keystone, as the canary tells it: which of its days are bad, and what a scan may then be used for.
// A state is durable before anything is done in it, and ends only when what it asks for is complete.
import { type CanaryFound, judgeCanary } from "../core/canary.ts";
import type { CaptureMode } from "../core/capture-draft.ts";
import type { Hold } from "../core/keystone-view.ts";
import type { CanaryKeeper } from "./canary-keeper.ts";
import type { LastingState } from "./keystone-memory.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";
import { NOTHING_REPLACED } from "./replaced-list.ts";
import type { Scan } from "./scan.ts";
import { HEALED, HEALING, WHAT_HAPPENED } from "./state-words.ts";

const CONTESTED_HOLDS: ReadonlySet<string> = new Set(["contested"]);
const CONTESTED_HOLD_ID = "contested-canary";

export class StateKeeper {
  readonly #options: KeystoneLoopOptions;
  readonly #canary: CanaryKeeper;

  constructor(options: KeystoneLoopOptions, canary: CanaryKeeper) {
    this.#options = options;
    this.#canary = canary;
  }

  /**
   * What this scan may be used for, by the canary. Writes a state down before anything is done in it. `again`: the canary
   * has news, and this scan may have begun before them: only one that began after is `fresh`, and to be believed, and only
   * where the canary stood still meanwhile.
   */
  async judge(scan: Scan, { isFresh }: { isFresh: boolean }): Promise<CaptureMode | "stop" | "again"> {
    const { memory, signer, now } = this.#options;
    const verdict = judgeCanary({
      found: scan.canary,
      memory: memory.canary,
      self: signer.peerId,
      former: memory.former,
      remaining: scan.remaining,
    });
    if (verdict === "contested") return this.#contested(scan.canary);
    if (!scan.isSteady) return "again";
    await memory.keepHolds([], CONTESTED_HOLDS, now());
    if (HEALING.has(memory.state.state)) return this.#healing();
    if (verdict === "first") return "capture";
    if (verdict === "ok") {
      await this.#adoptRaised(scan.canary);
      if (memory.state.state !== "ok") await this.enter("ok", HEALED);
      return "capture";
    }
    if (memory.state.state !== verdict && !isFresh) return "again";
    if (memory.state.state !== verdict) await this.enter(verdict, WHAT_HAPPENED[verdict]);
    return verdict === "canaryMissing" ? "hold" : this.#healing();
  }

  async enter(state: LastingState, what: string): Promise<void> {
    const { memory, now, log } = this.#options;
    log.warn({ state, what }, "Keystone state");
    // A new bad day begins a list of its own.
    const isNew = HEALING.has(state) && memory.state.state === "ok" && memory.replaced.total > 0;
    await memory.write({
      state: memory.stateAfter(state, { atMs: now(), state, what }),
      ...(isNew ? { replaced: NOTHING_REPLACED } : {}),
    });
  }

  #healing(): CaptureMode | "stop" {
    return this.#options.hasPulled() ? "heal" : "stop";
  }

  /**
   * A raise whose answer we never saw, and which landed. It confirmed nothing. One that we signed under a former peer ID
   * is signed anew: a raise is under way from now on.
   */
  async #adoptRaised(found: CanaryFound): Promise<void> {
    const { memory, signer } = this.#options;
    if (found.is !== "mark") return;
    const { projectId, mark } = found;
    const raising = mark.peerId === signer.peerId ? null : mark.generation + 1;
    if (raising === null && mark.generation === memory.canary?.generation) return;
    await memory.write({ canary: { projectId, generation: mark.generation, raising } });
  }

  async #contested(found: CanaryFound): Promise<CaptureMode | "stop"> {
    const { memory, now, nameOf, log } = this.#options;
    if (memory.holds.get(CONTESTED_HOLD_ID)?.decision === "approve" && found.is !== "absent") {
      await this.#canary.raise({ is: "blank", projectId: found.projectId });
      await memory.keepHolds([], CONTESTED_HOLDS, now());
      await this.enter(
        "nodeRestored",
        "an operator gave this Keystone to this node: it is brought to what the mesh says",
      );
      return this.#healing();
    }
    if (memory.state.state !== "contested") await this.enter("contested", WHAT_HAPPENED.contested);
    const by = found.is === "mark" ? nameOf(found.mark.peerId) : "nobody who can be told";
    const hold: Hold = {
      id: CONTESTED_HOLD_ID,
      kind: "contested",
      what: `the canary in this Keystone was signed by ${by}: two nodes on one Keystone, or a cloned cloud`,
      why: "nothing is read or written here until you decide: stop the other node, then approve to give this Keystone to this one",
      objects: found.is === "absent" ? [] : [found.projectId],
    };
    for (const { what } of await memory.keepHolds([hold], CONTESTED_HOLDS, now()))
      log.warn({ what }, "held for an operator");
    return "stop";
  }
}
