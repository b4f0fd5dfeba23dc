// The anti-entropy loop: sessions with members that repair what gossip lost. On connect, on a timer with a random
// member, and when a member's root showed to differ. A page is durable before the next is asked for, so what an
// interrupted session got is kept.
import { toString as render } from "uint8arrays";
import type { Entry } from "../core/entry.ts";
import {
  SYNC_ASKING_DOUBTFUL_MAX,
  SYNC_ASKING_MAX,
  SYNC_HEARTBEATS_DIFFER,
  SYNC_REPLY_GAP_MS,
} from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { NONCE_BYTES } from "../core/range-salt.ts";
import { type SharedView, viewOf } from "../core/range-view.ts";
import type { Rejection } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";
import { pushSteps, SyncAsking } from "../core/sync-asking.ts";
import type { Mesh, SyncAnswerer } from "../mesh/mesh-types.ts";
import { DifferenceWatch } from "./difference-watch.ts";
import { type Bringing, PlanWait } from "./plan-wait.ts";
import { PushQueue } from "./push-queue.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import { Serving } from "./serving.ts";
import { Slots } from "./slots.ts";
import { answererFor } from "./sync-answerer.ts";
import { type Conversed, converse } from "./sync-conversation.ts";
import type { CancelTimer, World } from "./world.ts";

export type AntiEntropyOptions = {
  readonly keeper: ReplicaKeeper;
  readonly mesh: Pick<Mesh, "connected" | "openSync">;
  readonly intervalMs: number;
  readonly log: Log;
  now(): UnixMs;
  random(): number;
  randomBytes: World["randomBytes"];
  after: World["after"];
  refuse(rejections: readonly Rejection[], relay: PeerId): void;
  /** A session ended, whole or not: a plan that waited for it may be made. */
  onEnd(): void;
  /** A session of ours ran to its end: all that its peer had is here. */
  onWhole?(): void;
};
export type PeerRoot = { readonly root: string; readonly atMs: UnixMs };
/** How far a session of ours is: records to fetch, as far as is known by now, and those that were fetched. */
export type SyncProgress = {
  readonly peer: PeerId;
  readonly toFetch: number;
  readonly fetched: number;
  readonly sinceMs: UnixMs;
};

type Asking = Bringing & { readonly asking: SyncAsking; readonly sinceMs: UnixMs };

export class AntiEntropy {
  readonly #options: AntiEntropyOptions;
  readonly #pushes: PushQueue;
  readonly #slots = new Slots(SYNC_ASKING_MAX);
  /** For those whose last session broke off. */
  readonly #doubtfulSlots = new Slots(SYNC_ASKING_DOUBTFUL_MAX);
  /** Sessions under way, and those that wait for a place. */
  readonly #sessions = new Map<PeerId, Promise<boolean>>();
  readonly #asking = new Map<PeerId, Asking>();
  /** Peers whose last session broke off: they share a place, and a plan waits for one only once it brought something. */
  readonly #brokenOff = new Set<PeerId>();
  readonly #views = new Map<PeerId, SharedView>();
  readonly #serving = new Serving();
  readonly #again = new Map<PeerId, CancelTimer>();
  readonly #roots = new Map<PeerId, PeerRoot>();
  readonly #differing = new Map<PeerId, number>();
  /** Pairs of roots, ours and a peer's, that a whole session left as they were: another would change nothing either. */
  readonly #stuck = new Map<PeerId, string>();
  readonly #differences = new DifferenceWatch();
  #cancelRound: CancelTimer | undefined;
  /** Members with whom a session of ours ran to its end since start. */
  readonly #heard = new Set<PeerId>();
  readonly #planWait = new PlanWait();
  readonly #stopping = new AbortController();

  constructor(options: AntiEntropyOptions) {
    this.#options = options;
    this.#pushes = new PushQueue({ log: options.log, give: (peer, entries) => this.#give(peer, entries) });
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  start(): void {
    const jittered = this.#options.intervalMs * (0.75 + this.#options.random() / 2);
    this.#cancelRound = this.#options.after(jittered, () => {
      this.#round();
      if (!this.#isStopped) this.start();
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelRound?.();
    for (const cancel of this.#again.values()) cancel();
    await Promise.allSettled([...this.#sessions.values(), this.#pushes.stop()]);
  }

  /** The root that a member told last, of the sets that it and we may hold. */
  rootOf(peer: PeerId): PeerRoot | undefined {
    return this.#roots.get(peer);
  }

  /** Whether that is our root of these sets too. */
  isInSync(peer: PeerId): boolean {
    return this.#roots.get(peer)?.root === this.#rootFor(peer);
  }

  /** Sessions of ours under way, the oldest first. */
  progress(): SyncProgress[] {
    return [...this.#asking].map(([peer, { asking, sinceMs }]) => ({ peer, ...asking.progress, sinceMs }));
  }

  /** Whether a session ran to its end since start: a restored node plans nothing before. */
  get hasPulled(): boolean {
    return this.#heard.size > 0;
  }

  /** Whether a session with this member ran to its end since start: then all that it holds for us is here. */
  hasHeard(peer: PeerId): boolean {
    return this.#heard.has(peer);
  }

  /** Whether a plan may be made: not while a session is bringing half of something, unless sessions never let it. */
  mayPlan(): boolean {
    return this.#planWait.mayPlan(this.#asking.values(), this.#options.now());
  }

  #round(): void {
    const peers = this.#options.mesh.connected();
    const peer = peers[Math.floor(this.#options.random() * peers.length)];
    if (peer !== undefined && !this.#serving.has(peer) && !this.#wasJustEqual(peer)) void this.sync(peer);
  }

  /** Whether this round was made from the other end already: one session repairs, and proves equal, both sides. */
  #wasJustEqual(peer: PeerId): boolean {
    const { now, intervalMs } = this.#options;
    const told = this.#roots.get(peer);
    return told !== undefined && now() - told.atMs < intervalMs / 2 && told.root === this.#rootFor(peer);
  }

  /**
   * Runs a session with a member unless one is under way; it waits while SYNC_ASKING_MAX others run. True if it ran to
   * its end; failures are logged, not thrown.
   */
  sync(peer: PeerId): Promise<boolean> {
    const running = this.#sessions.get(peer);
    if (running !== undefined) return running;
    const session = this.#inTurn(peer).finally(() => this.#sessions.delete(peer));
    this.#sessions.set(peer, session);
    return session;
  }

  /**
   * Gives entries to a member that may hold them, for sets that gossip must not carry. Best effort: false, and nothing
   * is sent, if too many wait for this peer already; anti-entropy brings them then.
   */
  push(peer: PeerId, entries: readonly Entry[]): boolean {
    return this.#pushes.push(
      peer,
      entries.filter(({ set }) => this.#options.keeper.replica.mayHold(set, peer)),
    );
  }

  /** Gives a member an owner's word that it may hear though it may not hold the set. True if it took it. */
  async tell(peer: PeerId, entries: readonly Entry[]): Promise<boolean> {
    try {
      return !(await this.#converse(peer, pushSteps(entries))).isRefused;
    } catch (error) {
      if (!this.#isStopped) this.#options.log.debug({ peer, error }, "a peer could not be told: it is tried again");
      return false;
    }
  }

  /** What a member says in a heartbeat of the sets that everyone holds. Twice another root in a row, and a session begins. */
  noteHeartbeat(peer: PeerId, publicRoot: string): void {
    const ours = this.#options.keeper.replica.publicRoot();
    const count = publicRoot === ours ? 0 : (this.#differing.get(peer) ?? 0) + 1;
    if (count === 0 || count >= SYNC_HEARTBEATS_DIFFER) this.#differing.delete(peer);
    else this.#differing.set(peer, count);
    if (count >= SYNC_HEARTBEATS_DIFFER) this.#chase(peer, `public ${ours} ${publicRoot}`);
  }

  /** Runs a session because of a difference, unless it is one that sessions don't end: an entry that we refuse, say. */
  #chase(peer: PeerId, difference: string): void {
    if (this.#isStopped || this.#serving.has(peer) || this.#stuck.get(peer) === difference) return;
    void this.sync(peer).then((isWhole) => isWhole && this.#stuck.set(peer, difference));
  }

  async #inTurn(peer: PeerId): Promise<boolean> {
    const slots = this.#brokenOff.has(peer) ? this.#doubtfulSlots : this.#slots;
    await slots.take();
    try {
      return !this.#isStopped && (await this.#session(peer));
    } finally {
      slots.release();
    }
  }

  async #session(peer: PeerId): Promise<boolean> {
    const { keeper, log, now, onEnd, randomBytes } = this.#options;
    const asking = new SyncAsking({
      replica: keeper.replica,
      view: this.#viewFor(peer),
      nonce: randomBytes(NONCE_BYTES),
      unsettled: () => keeper.replica.unsettled().filter(({ set }) => keeper.replica.mayHold(set, peer)),
      mayOffer: () => !this.#serving.has(peer),
    });
    const state: Asking = { asking, sinceMs: now(), newsMs: this.#brokenOff.has(peer) ? undefined : now() };
    this.#asking.set(peer, state);
    this.#brokenOff.add(peer); // Until it ends whole.
    try {
      const { pulled, isRefused } = await this.#converse(peer, asking.session(), () => {
        state.newsMs = now();
      });
      if (pulled > 0) log.info({ peer, pulled }, "anti-entropy brought entries");
      if (asking.wasEqual === true) this.#roots.set(peer, { root: this.#rootFor(peer), atMs: now() });
      if (isRefused || !asking.isWhole) return false;
      this.#heard.add(peer);
      this.#brokenOff.delete(peer);
      this.#options.onWhole?.();
      const difference = this.#differences.look(peer, {
        isEqual: asking.wasEqual === true,
        pulled,
        ours: this.#rootFor(peer),
        isClear: keeper.replica.heldCount === 0 && !this.#serving.has(peer),
      });
      if (difference !== undefined) this.#options.refuse([difference], peer);
      return true;
    } catch (error) {
      if (!this.#isStopped) log.debug({ peer, error }, "an anti-entropy session ended early: what it got is kept");
      return false;
    } finally {
      this.#asking.delete(peer);
      onEnd();
    }
  }

  async #give(peer: PeerId, entries: readonly Entry[]): Promise<void> {
    await this.#converse(peer, pushSteps(entries));
  }

  #converse(peer: PeerId, steps: Parameters<typeof converse>[1], onNews?: () => void): Promise<Conversed> {
    const news = onNews === undefined ? {} : { onNews };
    return converse(peer, steps, { ...this.#options, ...news, stopping: this.#stopping.signal });
  }

  /**
   * Serves a session, until `ended` aborts. A root that differs from ours brings a session of our own soon after: what
   * the peer can't know to lack, and what we have learnt meanwhile, is told then.
   */
  serve(peer: PeerId, ended: AbortSignal): SyncAnswerer {
    return answererFor(peer, {
      ...this.#options,
      view: this.#viewFor(peer),
      onRoot: (root) => {
        this.#serving.note(peer, ended);
        this.#roots.set(peer, { root, atMs: this.#options.now() });
        if (root !== this.#rootFor(peer)) this.#chaseSoon(peer, root);
      },
    });
  }

  /** Two nodes that differ must not chase each other, nor carry the same things both ways at once. */
  #chaseSoon(peer: PeerId, theirs: string): void {
    if (this.#again.has(peer) || this.#isStopped) return;
    const cancel = this.#options.after(SYNC_REPLY_GAP_MS, () => {
      this.#again.delete(peer);
      if (this.#serving.has(peer)) this.#chaseSoon(peer, theirs);
      else this.#chase(peer, `${this.#rootFor(peer)} ${theirs}`);
    });
    this.#again.set(peer, cancel);
  }

  /** Kept from session to session: in a round without news there is nothing to work out again. */
  #viewFor(peer: PeerId): SharedView {
    const known = this.#views.get(peer);
    if (known !== undefined) return known;
    const { replica } = this.#options.keeper;
    const view = viewOf(
      replica,
      (set) => replica.mayHold(set, peer),
      (set) => replica.mayBring(set, peer),
    );
    this.#views.set(peer, view);
    return view;
  }

  #rootFor(peer: PeerId): string {
    return render(this.#viewFor(peer).root(), "hex");
  }
}
