// Heartbeats: says to all members, every few seconds, how this node is, and hears the same of them. What they tell is
// used here: a root that differs brings a session, a silent member a new connection, a key with two processes an alarm.
import type { MeshId, Signer } from "../core/codec.ts";
import { heartbeatWord, openHeartbeat, signHeartbeat } from "../core/heartbeat.ts";
import { HEARTBEAT_INTERVAL_MS, HEARTBEATS_MISSED_MAX, RENEW_GAP_MS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { GossipVerdict, Mesh } from "../mesh/mesh-types.ts";
import { type Duplicate, type LastWord, MemberHealth, type Moment } from "./member-health.ts";
import type { CancelTimer, World } from "./world.ts";

export type HeartbeatsOptions = {
  readonly meshId: MeshId;
  readonly signer: Signer;
  readonly mesh: Pick<Mesh, "publish" | "connected" | "renew">;
  readonly world: Pick<World, "now" | "uptimeMs" | "random" | "randomBytes" | "after">;
  readonly log: Log;
  readonly version: string;
  /** Milliseconds; HEARTBEAT_INTERVAL_MS by default. */
  readonly intervalMs?: number;
  isMember(peerId: PeerId): boolean;
  nameOf(peerId: PeerId): string;
  /** What to say of ourselves now. */
  tell(): { readonly root: string; readonly records: number; readonly keystone: string };
  refuse(rejections: readonly Rejection[], relay: PeerId): void;
  /** A member told its root. */
  onRoot(peerId: PeerId, root: string): void;
  /** Something was heard, or should have been: what is judged by it may have changed. */
  onBeat(): void;
};

export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #intervalMs: number;
  readonly #instance: string;
  readonly #health: MemberHealth;
  /** Heartbeats of ours since each connected member's last one; below 0 while a renewal is given time. */
  readonly #missed = new Map<PeerId, number>();
  readonly #alarmed = new Set<PeerId>();
  #sequence = 0;
  #beatUptimeMs = Number.NEGATIVE_INFINITY;
  #cancel: CancelTimer | undefined;
  #stopped = false;

  constructor(options: HeartbeatsOptions) {
    const { signer, world, intervalMs } = options;
    this.#options = options;
    this.#intervalMs = intervalMs ?? HEARTBEAT_INTERVAL_MS;
    this.#instance = Buffer.from(world.randomBytes(16)).toString("hex");
    const startedUptimeMs = world.uptimeMs();
    this.#health = new MemberHealth({ peerId: signer.peerId, nonce: this.#instance, startedUptimeMs });
  }

  start(): void {
    this.#beat();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  /** Takes a gossip message that says it is a heartbeat. Only what is new here is relayed. */
  take(bytes: Uint8Array, from: PeerId): GossipVerdict {
    const { meshId, signer, isMember, refuse, onRoot, onBeat } = this.#options;
    const opened = openHeartbeat(meshId, bytes);
    if (!opened.ok) {
      refuse([opened.rejection], from);
      return "reject";
    }
    const { sender, root } = opened.value;
    const isOwn = sender === signer.peerId;
    // Whoever relayed it may know of an admission that has not come here yet: no fault, but no place either.
    if (this.#stopped || (!isOwn && !isMember(sender))) return "ignore";
    const at = this.#moment();
    const isNewcomer = this.#health.lastWord(sender, at)?.heartbeat.instance !== opened.value.instance;
    if (this.#health.take(opened.value, { ...at, isDirect: from === sender }) !== "new") return "ignore";
    if (!isOwn) {
      if ((this.#missed.get(sender) ?? 0) > 0) this.#missed.set(sender, 0);
      if (isNewcomer) this.#beatSoon();
      onRoot(sender, root);
    }
    this.#lookAtDuplicates(at);
    onBeat();
    return "accept";
  }

  /** Keys that two processes use. */
  duplicates(): Duplicate[] {
    return this.#health.duplicates(this.#moment());
  }

  /** These members' clocks less ours, in milliseconds, of those heard lately. */
  offsets(of: Iterable<PeerId>): ReadonlyMap<PeerId, number> {
    return this.#health.offsets(of, this.#moment());
  }

  lastWord(peerId: PeerId): LastWord | undefined {
    return this.#health.lastWord(peerId, this.#moment());
  }

  #beat(): void {
    if (this.#stopped) return;
    const { world, isMember, onBeat } = this.#options;
    this.#schedule(this.#intervalMs * (0.9 + world.random() / 5));
    this.#health.keepOnly(isMember);
    this.#renewSilent();
    this.#lookAtDuplicates(this.#moment());
    onBeat();
    this.#publish();
  }

  #schedule(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.#options.world.after(ms, () => this.#beat());
  }

  /** A process that is new to us doesn't know our clock yet. Not at once for each: many may start together. */
  #beatSoon(): void {
    const { uptimeMs, random } = this.#options.world;
    const sinceMs = uptimeMs() - this.#beatUptimeMs;
    const gapMs = this.#intervalMs / 10;
    this.#schedule(Math.max(0, gapMs - sinceMs) + gapMs * random());
  }

  #publish(): void {
    const { meshId, signer, mesh, version, log, tell, world } = this.#options;
    const { root, records, keystone } = tell();
    this.#sequence += 1;
    this.#beatUptimeMs = world.uptimeMs();
    const bytes = signHeartbeat(
      meshId,
      {
        sender: signer.peerId,
        instance: this.#instance,
        sequence: this.#sequence,
        sentMs: Math.max(0, Math.trunc(world.now())) as UnixMs,
        intervalMs: Math.round(this.#intervalMs),
        root,
        records,
        keystone: heartbeatWord(keystone),
        version: heartbeatWord(version),
        doubles: this.#health.doubles(this.#moment()),
      },
      signer,
    );
    mesh.publish(bytes).catch((error: unknown) => log.debug({ error }, "a heartbeat could not be sent"));
  }

  /** Counted in heartbeats of our own, not in milliseconds: so a clock that is set makes nobody look silent. */
  #renewSilent(): void {
    const { mesh, log, nameOf, isMember, refuse } = this.#options;
    const connected = new Set(mesh.connected());
    for (const [peerId, missed] of this.#missed) {
      if (connected.has(peerId)) continue;
      if (missed < -1 && isMember(peerId)) this.#missed.set(peerId, missed + 1);
      else this.#missed.delete(peerId);
    }
    for (const peerId of connected) {
      const missed = (this.#missed.get(peerId) ?? 0) + 1;
      this.#missed.set(peerId, missed);
      const theirMs = this.lastWord(peerId)?.heartbeat.intervalMs ?? this.#intervalMs;
      const slower = Math.min(Math.max(1, theirMs / this.#intervalMs), RENEW_GAP_MS / HEARTBEAT_INTERVAL_MS);
      if (missed <= HEARTBEATS_MISSED_MAX * slower) continue;
      this.#missed.set(peerId, -Math.ceil(RENEW_GAP_MS / this.#intervalMs));
      log.warn({ peerId, name: nameOf(peerId) }, "connected but silent: no heartbeat came; the connection is renewed");
      refuse([{ code: "NO_HEARTBEAT", detail: "connected but silent: the connection is renewed" }], peerId);
      mesh.renew(peerId).catch((error: unknown) => log.warn({ peerId, error }, "a connection could not be renewed"));
    }
  }

  #lookAtDuplicates(at: Moment): void {
    const { log, nameOf, signer } = this.#options;
    const duplicates = this.#health.duplicates(at);
    for (const { peerId, toldBy } of duplicates) {
      if (this.#alarmed.has(peerId)) continue;
      this.#alarmed.add(peerId);
      const name = nameOf(peerId);
      log.error({ peerId, name, toldBy }, explainDuplicate({ name, isOwn: peerId === signer.peerId }));
    }
    for (const peerId of this.#alarmed) {
      if (duplicates.some((one) => one.peerId === peerId)) continue;
      this.#alarmed.delete(peerId);
      log.info({ peerId, name: nameOf(peerId) }, "no second process was heard any more under this node's key");
    }
  }

  #moment(): Moment {
    const { now, uptimeMs } = this.#options.world;
    return { nowMs: now(), uptimeMs: uptimeMs() };
  }
}

/** What it means that two processes use one key, and what to do, for an operator. */
export function explainDuplicate({ name, isOwn }: { readonly name: string; readonly isOwn: boolean }): string {
  return isOwn
    ? "another process runs with this node's own key: a copied data directory or a cloned machine. Stop one of the two; if it is not yours, the key is stolen: stop this node, and have the other members retire its peer ID"
    : `two processes run with the key of ${name}: a copied data directory, a cloned machine, or a stolen key. Ask its operator to stop one of them; if it is not theirs, retire this peer ID`;
}
