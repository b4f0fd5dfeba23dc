// The anti-entropy loop: sessions with members that repair what gossip lost. On connect, on a timer with a random
// member, and when a member's root showed to differ. A page is durable before the next is asked for, so what an
// interrupted session got is kept.
import { SYNC_PLAN_WAIT_MAX_MS, SYNC_REPLY_GAP_MS, SYNC_SESSION_MAX_MS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { pullSession } from "../core/pull.ts";
import { answer } from "../core/reconcile.ts";
import type { Rejection } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";
import { decodeRequest, encodeMessage } from "../core/sync-messages.ts";
import { MeshError } from "../mesh/mesh-error.ts";
import type { Mesh, SyncAnswerer, SyncSession } from "../mesh/mesh-types.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import type { CancelTimer, World } from "./world.ts";

export type AntiEntropyOptions = {
  readonly keeper: ReplicaKeeper;
  readonly mesh: Pick<Mesh, "connected" | "openSync">;
  readonly intervalMs: number;
  readonly log: Log;
  now(): UnixMs;
  random(): number;
  after: World["after"];
  refuse(rejections: readonly Rejection[], relay: PeerId): void;
  /** A session ended, whole or not: a plan that waited for it may be made. */
  onEnd(): void;
};
export type PeerRoot = { readonly root: string; readonly atMs: UnixMs };

export class AntiEntropy {
  readonly #options: AntiEntropyOptions;
  readonly #running = new Map<PeerId, Promise<boolean>>();
  readonly #again = new Map<PeerId, CancelTimer>();
  readonly #roots = new Map<PeerId, PeerRoot>();
  readonly #differed = new Set<PeerId>();
  #cancelRound: CancelTimer | undefined;
  #sessions = 0;
  #planWaitsSinceMs: UnixMs | undefined;
  #stopped = false;

  constructor(options: AntiEntropyOptions) {
    this.#options = options;
  }

  start(): void {
    const jittered = this.#options.intervalMs * (0.75 + this.#options.random() / 2);
    this.#cancelRound = this.#options.after(jittered, () => {
      this.#round();
      if (!this.#stopped) this.start();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRound?.();
    for (const cancel of this.#again.values()) cancel();
    await Promise.allSettled(this.#running.values());
  }

  /** The root that a member told last. */
  rootOf(peerId: PeerId): PeerRoot | undefined {
    return this.#roots.get(peerId);
  }

  /** Whether a session ran to its end since start: a restored node plans nothing before. */
  get hasPulled(): boolean {
    return this.#sessions > 0;
  }

  /** Whether a plan may be made: not while a session is bringing half of something, unless sessions never let it. */
  mayPlan(): boolean {
    const nowMs = this.#options.now();
    if (this.#running.size === 0) {
      this.#planWaitsSinceMs = undefined;
      return true;
    }
    this.#planWaitsSinceMs ??= nowMs;
    return nowMs - this.#planWaitsSinceMs >= SYNC_PLAN_WAIT_MAX_MS;
  }

  #round(): void {
    const peers = this.#options.mesh.connected();
    const peer = peers[Math.floor(this.#options.random() * peers.length)];
    if (peer !== undefined) void this.sync(peer);
  }

  /** Runs a session with a member unless one is under way. True if it ran to its end; failures are logged, not thrown. */
  sync(peer: PeerId): Promise<boolean> {
    const running = this.#running.get(peer);
    if (running !== undefined) return running;
    const session = this.#session(peer).finally(() => {
      this.#running.delete(peer);
      this.#options.onEnd();
    });
    this.#running.set(peer, session);
    return session;
  }

  async #session(peer: PeerId): Promise<boolean> {
    const { mesh, log, after } = this.#options;
    const overdue = new AbortController();
    const cancelOverdue = after(SYNC_SESSION_MAX_MS, () => overdue.abort());
    try {
      const session = await mesh.openSync(peer, overdue.signal);
      try {
        const { pulled, rejection } = await this.#pull(peer, session);
        if (pulled > 0) log.info({ peer, pulled }, "anti-entropy brought entries");
        if (rejection !== undefined) {
          this.#options.refuse([rejection], peer);
          return false;
        }
        this.#sessions += 1;
        return true;
      } finally {
        await session.close();
      }
    } catch (error) {
      const rejection = rejectionOf(error);
      if (rejection !== undefined) this.#options.refuse([rejection], peer);
      if (!this.#stopped) log.debug({ peer, error }, "an anti-entropy session ended early: what it got is kept");
      return false;
    } finally {
      cancelOverdue();
    }
  }

  /** Carries out the steps of a session. What is taken is durable before the next step. */
  async #pull(
    peer: PeerId,
    session: SyncSession,
  ): Promise<{ readonly pulled: number; readonly rejection: Rejection | undefined }> {
    const { keeper, now, refuse } = this.#options;
    const steps = pullSession(keeper.replica);
    let pulled = 0;
    let answered: Uint8Array | undefined;
    for (;;) {
      const { done, value: step } = steps.next(answered);
      answered = undefined;
      if (done) return { pulled, rejection: step };
      if (step.is === "ask") answered = await session.ask(encodeMessage(step.request));
      if (step.is === "root") this.#roots.set(peer, { root: step.root, atMs: now() });
      if (step.is === "take") {
        const { news, rejections } = await keeper.receive(step.entries);
        refuse(rejections, peer);
        pulled += news.length;
      }
    }
  }

  /** Serves a session. A root that differs from ours brings a session of our own soon after. */
  serve(peer: PeerId): SyncAnswerer {
    return async (asked) => {
      const request = decodeRequest(asked);
      if (!request.ok) {
        this.#options.refuse([request.rejection], peer);
        throw new Error(`not a sync request: ${request.rejection.detail}`);
      }
      const { keeper } = this.#options;
      if (request.value[0] === "roots") this.#noteRoot(peer, request.value[1]);
      const bytes = encodeMessage(answer(keeper.replica, request.value));
      await keeper.durable(); // Nobody is told of an entry that a crash could still take back.
      return bytes;
    };
  }

  /** A heartbeat told a member's root. One that differs may be on its way to us; twice in a row it brings a session. */
  noteHeartbeat(peer: PeerId, root: string): void {
    const differs = root !== this.#options.keeper.replica.publicRoot();
    if (differs && this.#differed.has(peer)) this.#noteRoot(peer, root);
    if (differs) this.#differed.add(peer);
    else this.#differed.delete(peer);
  }

  #noteRoot(peer: PeerId, root: string): void {
    this.#roots.set(peer, { root, atMs: this.#options.now() });
    if (root === this.#options.keeper.replica.root() || this.#again.has(peer) || this.#stopped) return;
    const cancel = this.#options.after(SYNC_REPLY_GAP_MS, () => {
      this.#again.delete(peer);
      void this.sync(peer);
    });
    this.#again.set(peer, cancel);
  }
}

/** What a session's failure says against the peer, if it does: frames that no honest peer sends. */
function rejectionOf(error: unknown): Rejection | undefined {
  if (!(error instanceof MeshError)) return undefined;
  if (error.code === "SYNC_OVERSIZED") return { code: "OVERSIZED", detail: error.message };
  return error.code === "SYNC_MALFORMED" ? { code: "MALFORMED", detail: error.message } : undefined;
}
