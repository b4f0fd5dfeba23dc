// The mesh of a simulated node: what the real one promises (src/mesh/mesh-types.ts), over links that fail. Members only,
// both ends must agree; gossip floods from member to member once it was judged; a sync session is a request and then its
// answer, and ends with a MeshError as in the real one. Long, because connections, gossip and sessions end together.
import { createHash } from "node:crypto";
import type { MeshId } from "../../src/core/codec.ts";
import {
  PROBE_INTERVAL_MS,
  REDIAL_MAX_MS,
  REDIAL_MIN_MS,
  SYNC_ANSWER_TIMEOUT_MS,
  SYNC_MESSAGE_BYTES_MAX,
  SYNC_SESSIONS_PER_PEER_MAX,
} from "../../src/core/limits.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import type { Rejection } from "../../src/core/rejection.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { Knocks } from "../../src/mesh/knocks.ts";
import { MeshError, type MeshErrorCode } from "../../src/mesh/mesh-error.ts";
import type { Knock, Mesh, MeshOptions, SyncSession } from "../../src/mesh/mesh-types.ts";
import { Strikes } from "../../src/mesh/strikes.ts";
import { type Life, never } from "./disk.ts";
import type { Switchboard } from "./switchboard.ts";

/** What one end knows of a connection; the other end has its own. */
type Connection = { readonly peer: SimMesh; isOpen: boolean; readonly onClose: Set<() => void> };

const REACH_MS = 2_000;
const GOSSIP_FANOUT = 6; // As many as gossipsub has in its own mesh; with fewer members everybody is one.

export class SimMesh implements Mesh {
  readonly peerId: PeerId;
  readonly place: string;
  readonly life: Life;
  readonly options: MeshOptions;
  readonly #board: Switchboard;
  readonly #connections = new Map<SimMesh, Connection>();
  readonly #dialling = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #refusedBy = new Set<PeerId>();
  readonly #knocks = new Knocks();
  readonly #strikes = new Strikes();
  readonly #heard = new Set<string>();
  readonly #serving = new Map<PeerId, number>();
  #meshId: MeshId | undefined;
  #isStopped = false;

  constructor(options: MeshOptions, at: { place: string; life: Life; board: Switchboard }) {
    this.options = options;
    this.peerId = options.identity.peerId;
    this.place = at.place;
    this.life = at.life;
    this.#board = at.board;
    at.board.attach(this);
    this.#reachAgain();
  }

  get isUp(): boolean {
    return this.life.isAlive && !this.#isStopped;
  }

  get meshId(): MeshId | undefined {
    return this.#meshId;
  }

  addresses(): string[] {
    return [`/ip4/${this.place}/tcp/4001/p2p/${this.peerId}`];
  }

  connected(): PeerId[] {
    return [...new Set([...this.#connections.keys()].map(({ peerId }) => peerId))].sort();
  }

  refusedBy(): PeerId[] {
    return [...this.#refusedBy];
  }

  knocks(): Knock[] {
    return this.#knocks.list();
  }

  forgetKnock(peerId: PeerId): void {
    this.#knocks.forget(peerId);
  }

  async setMesh(meshId: MeshId): Promise<void> {
    this.#meshId = meshId;
  }

  admits(peerId: PeerId): boolean {
    const { isMember, isBlocked, now } = this.options;
    return isMember(peerId) && isBlocked?.(peerId) !== true && !this.#strikes.isRefused(peerId, now());
  }

  // --- connections ---

  /** A member's address may come long after its admission: the real one looks four times a second. */
  #reachAgain(): void {
    this.#board.timeline.after(REACH_MS, `reach ${this.place}`, () => {
      if (!this.isUp) return;
      this.#reach((place) => !this.#failures.has(place)); // Those wait for their own time.
      this.#reachAgain();
    });
  }

  reach(): void {
    this.#reach(() => true);
  }

  #reach(isDue: (place: string) => boolean): void {
    if (!this.isUp || this.#meshId === undefined) return;
    for (const { peerId, addresses } of this.options.membersToReach()) {
      if (peerId === this.peerId) continue;
      for (const place of addresses.map(placeOf)) if (isDue(place)) this.#dial(place);
    }
  }

  #dial(place: string): void {
    if (!this.isUp || this.#dialling.has(place) || this.#isConnectedTo(place)) return;
    this.#dialling.add(place);
    const target = this.#board.at(place);
    const delayMs = this.#board.network.delay(this.place, place) * 2;
    this.#board.timeline.after(delayMs, `dial ${this.place}>${place}`, () => {
      this.#dialling.delete(place);
      if (!this.isUp || this.#isConnectedTo(place)) return;
      const isThere = target?.isUp === true && this.#board.network.isOpenBothWays(this.place, place);
      if (!isThere || target === undefined || !this.admits(target.peerId)) return this.#redial(place);
      if (target.meshId !== this.#meshId || !target.letsIn(this)) {
        this.#refusedBy.add(target.peerId);
        this.options.handlers.onNotAdmitted?.(target.peerId);
        return this.#redial(place);
      }
      this.#failures.delete(place);
      this.#open(target);
    });
  }

  #isConnectedTo(place: string): boolean {
    return [...this.#connections.keys()].some((peer) => peer.place === place);
  }

  #redial(place: string): void {
    const failures = (this.#failures.get(place) ?? 0) + 1;
    this.#failures.set(place, failures);
    const waitMs = Math.min(REDIAL_MAX_MS, REDIAL_MIN_MS * 2 ** failures) * (0.75 + this.options.random() / 2);
    this.#board.timeline.after(waitMs, `redial ${this.place}>${place}`, () => {
      const isWanted = [...this.options.membersToReach()].some(({ addresses }) =>
        addresses.some((address) => placeOf(address) === place),
      );
      if (isWanted) this.#dial(place);
      else this.#failures.delete(place);
    });
  }

  /** The gate: whether a peer that dialled may stay; a stranger's knock is noted. */
  letsIn(from: SimMesh): boolean {
    if (this.admits(from.peerId)) return true;
    if (this.options.isMember(from.peerId) || this.options.isBlocked?.(from.peerId) === true) return false;
    this.#board.happened.count("knock refused");
    const { knock, tell } = this.#knocks.record(from.peerId, from.addresses()[0] ?? "", this.options.now());
    if (tell) this.options.handlers.onKnock?.(knock);
    return false;
  }

  #open(peer: SimMesh): void {
    this.#opened(peer);
    peer.#opened(this);
  }

  #opened(peer: SimMesh): void {
    for (const old of [...this.#connections.keys()]) if (old.place === peer.place) this.#closed(old, false);
    this.#connections.set(peer, { peer, isOpen: true, onClose: new Set() });
    this.#refusedBy.delete(peer.peerId);
    this.options.handlers.onConnect?.(peer.peerId);
  }

  /** This end of a connection is over, whatever the other end believes. */
  #closed(peer: SimMesh, redials: boolean): void {
    const connection = this.#connections.get(peer);
    if (connection === undefined) return;
    connection.isOpen = false;
    this.#connections.delete(peer);
    for (const act of [...connection.onClose]) act();
    if (!this.isUp) return;
    this.options.handlers.onDisconnect?.(peer.peerId);
    if (redials) this.#redial(peer.place);
  }

  #close(peer: SimMesh, redials = true): void {
    this.#closed(peer, redials);
    peer.#closed(this, redials);
  }

  /** A link was cut or the other end died: each end notices after a while, if it is still so. */
  noticeCuts(): void {
    for (const peer of this.#connections.keys()) {
      if (this.#stands(peer)) continue;
      const waitMs = PROBE_INTERVAL_MS * (0.1 + this.options.random() * 2);
      this.#board.timeline.after(waitMs, `probe ${this.place}>${peer.place}`, () => {
        if (this.isUp && !this.#stands(peer)) this.#close(peer);
      });
    }
  }

  #stands(peer: SimMesh): boolean {
    return peer.isUp && this.#board.network.isOpenBothWays(this.place, peer.place);
  }

  struck(): { readonly peerId: PeerId; readonly untilMs: UnixMs }[] {
    return this.#strikes.refused(this.options.now());
  }

  async recheck(): Promise<void> {
    for (const peer of [...this.#connections.keys()]) if (!this.admits(peer.peerId)) this.#close(peer);
  }

  async renew(peerId: PeerId): Promise<void> {
    for (const peer of [...this.#connections.keys()]) if (peer.peerId === peerId) this.#close(peer);
  }

  strike(peerId: PeerId, _rejection: Rejection): void {
    if (this.#strikes.add(peerId, this.options.now())) void this.renew(peerId);
  }

  async stop(): Promise<void> {
    for (const peer of [...this.#connections.keys()]) this.#close(peer);
    this.#isStopped = true;
    this.#board.detach(this);
  }

  // --- gossip ---

  async publish(bytes: Uint8Array): Promise<void> {
    this.#heard.add(hashOf(bytes));
    this.#spread(bytes);
  }

  #spread(bytes: Uint8Array, except?: SimMesh): void {
    if (!this.isUp) return;
    const peers = [...this.#connections.keys()].filter((peer) => peer !== except && this.admits(peer.peerId));
    const chosen = peers.length <= GOSSIP_FANOUT ? peers : this.#board.chance.shuffled(peers).slice(0, GOSSIP_FANOUT);
    for (const peer of chosen)
      this.#board.network.send({ from: this.place, to: peer.place, what: "gossip", isGossip: true }, () =>
        peer.hear(bytes, this),
      );
  }

  /** What a member brings that keeps no connection of ours: a forger with its key. */
  overhear(bytes: Uint8Array, from: PeerId): void {
    if (!this.isUp || !this.admits(from)) return;
    this.#judge(bytes, from);
  }

  /** What comes over a connection that this end may already hold for closed. */
  hear(bytes: Uint8Array, from: SimMesh): void {
    if (!this.isUp || !this.#connections.has(from) || !this.admits(from.peerId)) return;
    this.#judge(bytes, from.peerId, from);
  }

  #judge(bytes: Uint8Array, peerId: PeerId, from?: SimMesh): void {
    const hash = hashOf(bytes);
    if (this.#heard.has(hash)) return;
    this.#heard.add(hash);
    Promise.resolve(this.options.handlers.onGossip(bytes, peerId)).then(
      (verdict) => {
        if (verdict === "accept" || verdict === "first-hand") this.#spread(bytes, from);
      },
      (error: unknown) => this.#board.fail("gossip is judged", error),
    );
  }

  // --- sessions ---

  async openSync(peerId: PeerId, signal?: AbortSignal): Promise<SyncSession> {
    if (!this.options.isMember(peerId)) throw new MeshError("NOT_A_MEMBER", `${peerId} is no member`);
    const [connection] = [...this.#connections.values()].filter(({ peer }) => peer.peerId === peerId);
    if (connection === undefined)
      throw new MeshError(this.#refusedBy.has(peerId) ? "NOT_ADMITTED" : "UNREACHABLE", `${peerId} is not connected`);
    return this.#session(connection, signal);
  }

  #session(connection: Connection, signal: AbortSignal | undefined): SyncSession {
    const { peer } = connection;
    let served: ReturnType<SimMesh["serve"]>;
    let ended: MeshError | undefined;
    let giveUp: (error: MeshError) => void = () => undefined;
    const end = (code: MeshErrorCode, why: string) => {
      if (ended !== undefined) return;
      ended = new MeshError(code, `sync with ${peer.peerId}: ${why}`);
      connection.onClose.delete(onClose);
      served?.end();
      if (code !== "SYNC_CLOSED" || why !== "closed here") this.#board.happened.count("sync cut off");
      giveUp(ended);
    };
    const onClose = () => end("SYNC_CLOSED", "the connection ended");
    connection.onClose.add(onClose);
    signal?.addEventListener("abort", () => end("SYNC_CLOSED", "the session was given up here"), { once: true });
    const cancelled = () => !this.isUp;
    return {
      ask: (request) => {
        if (cancelled()) return never();
        if (ended !== undefined) return Promise.reject(ended);
        return new Promise<Uint8Array>((resolve, reject) => {
          giveUp = (error) => (cancelled() ? undefined : reject(error));
          const stopTimer = this.#board.timeline.after(SYNC_ANSWER_TIMEOUT_MS, "sync timeout", () =>
            end("SYNC_TIMEOUT", "no answer in time"),
          );
          const answered = (answer: Uint8Array | undefined) => {
            if (ended !== undefined || cancelled()) return;
            stopTimer();
            if (answer === undefined) end("SYNC_CLOSED", "the peer could not answer");
            else if (answer.length > SYNC_MESSAGE_BYTES_MAX) end("SYNC_OVERSIZED", "too large an answer");
            else resolve(answer);
          };
          const back = (answer: Uint8Array | undefined) =>
            this.#carry({ from: peer, to: this, what: "sync answer" }, () => answered(answer), end);
          this.#carry(
            { from: this, to: peer, what: "sync request" },
            () => {
              served ??= peer.serve(this);
              if (served === undefined) end("SYNC_REFUSED", "the peer serves too many sessions now");
              else served.ask(request, back);
            },
            end,
          );
        });
      },
      close: async () => end("SYNC_CLOSED", "closed here"),
    };
  }

  /** A stream doesn't lose a message: it breaks, or hangs until its reader has waited enough. */
  #carry(
    { from, to, what }: { from: SimMesh; to: SimMesh; what: string },
    deliver: () => void,
    end: (code: MeshErrorCode, why: string) => void,
  ): void {
    const way = { from: from.place, to: to.place, what, isGossip: false };
    const sent = this.#board.network.send(way, () => (to.isUp ? deliver() : undefined));
    if (sent === "lost" && this.#board.chance.is(0.5))
      this.#board.timeline.after(this.#board.network.delay(from.place, to.place), "stream breaks", () =>
        end("SYNC_CLOSED", "the stream broke"),
      );
  }

  /** Serves a session to a peer; undefined if there are too many. */
  serve(
    from: SimMesh,
  ): { ask(request: Uint8Array, back: (answer?: Uint8Array) => void): void; end(): void } | undefined {
    const count = this.#serving.get(from.peerId) ?? 0;
    if (!this.admits(from.peerId) || count >= SYNC_SESSIONS_PER_PEER_MAX) return undefined;
    this.#serving.set(from.peerId, count + 1);
    const over = new AbortController();
    const answerer = this.options.handlers.onSyncSession(from.peerId, over.signal);
    return {
      ask: (request, back) => {
        if (over.signal.aborted || !this.isUp) return;
        answerer(request).then(
          (answer) => back(answer),
          () => back(), // The real one tells the peer no more either: its log says why.
        );
      },
      end: () => {
        if (over.signal.aborted) return;
        over.abort();
        this.#serving.set(from.peerId, (this.#serving.get(from.peerId) ?? 1) - 1);
      },
    };
  }

  async askWelcome(address: string): Promise<Uint8Array> {
    const place = placeOf(address);
    await this.#board.timeline.wait(this.#board.network.delay(this.place, place) * 2, `welcome ${this.place}>${place}`);
    const target = this.#board.at(place);
    if (!this.isUp) return never();
    if (target?.isUp !== true || !this.#board.network.isOpenBothWays(this.place, place))
      throw new MeshError("UNREACHABLE", `nobody answers at ${address}`);
    if (!target.letsIn(this)) throw new MeshError("NOT_ADMITTED", `${target.peerId} has not admitted us`);
    return target.options.handlers.onWelcome(this.peerId);
  }
}

function placeOf(address: string): string {
  return address.split("/")[2] ?? "";
}

const hashes = new WeakMap<Uint8Array, string>(); // The same bytes come to every node.

function hashOf(bytes: Uint8Array): string {
  const known = hashes.get(bytes) ?? createHash("sha256").update(bytes).digest("base64");
  hashes.set(bytes, known);
  return known;
}
