// The anti-entropy loop: sessions with members that repair what gossip lost. On connect, on a timer with a random
// member, and when a member's root showed to differ. A page is durable before the next is asked for, so what an
// interrupted session got is kept.

import { SYNC_REPLY_GAP_MS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { answer, differingSets, remaining, wantedOf } from "../core/reconcile.ts";
import type { Rejection } from "../core/rejection.ts";
import type { SetName } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";
import {
  decodeAnswer,
  decodeRequest,
  encodeMessage,
  type SyncAnswer,
  type SyncRequest,
} from "../core/sync-messages.ts";
import type { Mesh, SyncAnswerer, SyncSession } from "../mesh/mesh-types.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";

export type AntiEntropyOptions = {
  readonly keeper: ReplicaKeeper;
  readonly mesh: Pick<Mesh, "connected" | "openSync">;
  readonly intervalMs: number;
  readonly log: Log;
  now(): UnixMs;
  random(): number;
  refuse(rejections: readonly Rejection[], relay: PeerId): void;
  /** A session ended, whole or not: a plan that waited for it may be made. */
  onEnd(): void;
};
export type PeerRoot = { readonly root: string; readonly atMs: UnixMs };

export class AntiEntropy {
  readonly #options: AntiEntropyOptions;
  readonly #running = new Map<PeerId, Promise<boolean>>();
  readonly #again = new Map<PeerId, NodeJS.Timeout>();
  readonly #roots = new Map<PeerId, PeerRoot>();
  #timer: NodeJS.Timeout | undefined;
  #sessions = 0;
  #stopped = false;

  constructor(options: AntiEntropyOptions) {
    this.#options = options;
  }

  start(): void {
    const jittered = this.#options.intervalMs * (0.75 + this.#options.random() / 2);
    this.#timer = setTimeout(() => {
      this.#round();
      if (!this.#stopped) this.start();
    }, jittered);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const timer of this.#again.values()) clearTimeout(timer);
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

  /** Whether a session is under way: planning waits for its end. */
  get isRunning(): boolean {
    return this.#running.size > 0;
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
    const { mesh, log } = this.#options;
    try {
      const session = await mesh.openSync(peer);
      try {
        const pulled = await this.#pullAll(peer, session);
        if (pulled > 0) log.info({ peer, pulled }, "anti-entropy brought entries");
        this.#sessions += 1;
        return true;
      } finally {
        await session.close();
      }
    } catch (error) {
      if (!this.#stopped) log.debug({ peer, error }, "an anti-entropy session ended early: what it got is kept");
      return false;
    }
  }

  async #pullAll(peer: PeerId, session: SyncSession): Promise<number> {
    const { keeper } = this.#options;
    let pulled = 0;
    const theirs: (readonly [SetName, string])[] = [];
    for (let more = true; more; ) {
      const said = await this.#ask(peer, session, ["roots", keeper.replica.root(), theirs.at(-1)?.[0] ?? ""], "roots");
      this.#roots.set(peer, { root: said[1], atMs: this.#options.now() });
      theirs.push(...said[2]);
      more = said[3] && said[2].length > 0;
    }
    for (const set of differingSets(keeper.replica, theirs)) pulled += await this.#pullSet(peer, session, set);
    return pulled;
  }

  async #pullSet(peer: PeerId, session: SyncSession, set: SetName): Promise<number> {
    const { keeper } = this.#options;
    let pulled = 0;
    let after: readonly [string, string] = ["", ""];
    for (let more = true; more; ) {
      const [, lines, isMore] = await this.#ask(peer, session, ["versions", set, ...after], "versions");
      for (const pull of wantedOf(keeper.replica, set, lines)) {
        for (let keys = pull; keys.length > 0; ) {
          const records = await this.#ask(peer, session, ["pull", set, keys], "records");
          const { news, rejections } = await keeper.receive(records[3]);
          this.#options.refuse(rejections, peer);
          pulled += news.length;
          keys = remaining(keys, records) ?? [];
        }
      }
      const last = lines.at(-1);
      more = isMore && last !== undefined;
      if (last !== undefined) after = [last[0], last[1]];
    }
    return pulled;
  }

  async #ask<Tag extends SyncAnswer[0]>(
    peer: PeerId,
    session: SyncSession,
    request: SyncRequest,
    tag: Tag,
  ): Promise<Extract<SyncAnswer, readonly [Tag, ...unknown[]]>> {
    const decoded = decodeAnswer(await session.ask(encodeMessage(request)));
    if (!decoded.ok) this.#options.refuse([decoded.rejection], peer);
    if (!decoded.ok || decoded.value[0] !== tag) throw new Error(`${peer} did not answer ${request[0]}`);
    return decoded.value as Extract<SyncAnswer, readonly [Tag, ...unknown[]]>;
  }

  /** Serves a session. A root that differs from ours brings a session of our own soon after. */
  serve(peer: PeerId): SyncAnswerer {
    return async (bytes) => {
      const request = decodeRequest(bytes);
      if (!request.ok) {
        this.#options.refuse([request.rejection], peer);
        throw new Error(`not a sync request: ${request.rejection.detail}`);
      }
      if (request.value[0] === "roots") this.#noteRoot(peer, request.value[1]);
      return encodeMessage(answer(this.#options.keeper.replica, request.value));
    };
  }

  #noteRoot(peer: PeerId, root: string): void {
    this.#roots.set(peer, { root, atMs: this.#options.now() });
    if (root === this.#options.keeper.replica.root() || this.#again.has(peer) || this.#stopped) return;
    const timer = setTimeout(() => {
      this.#again.delete(peer);
      void this.sync(peer);
    }, SYNC_REPLY_GAP_MS);
    this.#again.set(peer, timer);
  }
}
