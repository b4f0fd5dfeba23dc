// Joins what waited for our clock, when it is due. Only while something waits is there a timer at all.
import type { Log } from "../core/log.ts";
import type { Rejection } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import type { CancelTimer, World } from "./world.ts";

const SOONEST_MS = 50; // What is due within one of these is joined in one go, and made durable by one write.

export type HeldReleaseOptions = {
  readonly keeper: Pick<ReplicaKeeper, "nextDueMs" | "release">;
  readonly log: Log;
  now(): UnixMs;
  refuse(rejections: readonly Rejection[]): void;
  after: World["after"];
};

export class HeldRelease {
  readonly #options: HeldReleaseOptions;
  #cancel: CancelTimer | undefined;
  #isSoon = false;
  #isReleasing = false;
  #isStopped = false;

  constructor(options: HeldReleaseOptions) {
    this.#options = options;
  }

  /** Something more waits, or our clock may have been set: the first may be due sooner than it was. */
  schedule(): void {
    const { keeper, now, after } = this.#options;
    const { nextDueMs } = keeper;
    if (this.#isSoon || this.#isReleasing || this.#isStopped) return;
    this.#cancel?.();
    this.#cancel = undefined;
    if (nextDueMs === undefined) return;
    const waitMs = Math.max(nextDueMs - now(), SOONEST_MS);
    this.#isSoon = waitMs === SOONEST_MS;
    this.#cancel = after(waitMs, () => {
      this.#cancel = undefined;
      this.#isSoon = false;
      this.#isReleasing = true;
      this.#release()
        .catch((error: unknown) => this.#options.log.error({ error }, "held entries could not be joined"))
        .finally(() => {
          this.#isReleasing = false;
          this.schedule();
        });
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  async #release(): Promise<void> {
    const { news, rejections } = await this.#options.keeper.release();
    if (news.length > 0) this.#options.log.info({ entries: news.length }, "joined what waited for our clock");
    this.#options.refuse(rejections);
  }
}
