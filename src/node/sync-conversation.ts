// Carries out the steps of a sync session over a stream: asks, takes in, notes what is settled. The core decides all of it.
import { SYNC_SESSION_MAX_MS } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";
import { type AskingSteps, endsSession } from "../core/sync-asking.ts";
import { MeshError } from "../mesh/mesh-error.ts";
import type { Mesh, SyncSession } from "../mesh/mesh-types.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import type { World } from "./world.ts";

export type ConversationOptions = {
  readonly keeper: Pick<ReplicaKeeper, "receive" | "settle" | "durable">;
  readonly mesh: Pick<Mesh, "openSync">;
  readonly after: World["after"];
  /** Aborted when the node stops. */
  readonly stopping: AbortSignal;
  refuse(rejections: readonly Rejection[], relay: PeerId): void;
  /** Entries came that were new here: more of the same may follow. */
  onNews?(): void;
};
/** What came of a session: entries that were new here; and whether the peer was refused, which is counted by then. */
export type Conversed = { readonly pulled: number; readonly isRefused: boolean };

/**
 * Holds one conversation with a member, for SYNC_SESSION_MAX_MS at most. Errors: MeshError if it broke off, StoreError if
 * what came could not be kept. What came before is kept either way.
 */
export async function converse(peer: PeerId, steps: AskingSteps, options: ConversationOptions): Promise<Conversed> {
  const overdue = new AbortController();
  const cancelOverdue = options.after(SYNC_SESSION_MAX_MS, () => overdue.abort());
  try {
    const session = await options.mesh.openSync(peer, AbortSignal.any([overdue.signal, options.stopping]));
    try {
      return await carryOut(peer, steps, session, options);
    } finally {
      await session.close();
    }
  } catch (error) {
    const rejection = rejectionOf(error);
    if (rejection !== undefined) options.refuse([rejection], peer);
    throw error;
  } finally {
    cancelOverdue();
  }
}

async function carryOut(
  peer: PeerId,
  steps: AskingSteps,
  session: SyncSession,
  { keeper, refuse, onNews }: ConversationOptions,
): Promise<Conversed> {
  let pulled = 0;
  let reply: Uint8Array | Rejection | undefined;
  for (;;) {
    const { done, value: step } = steps.next(reply);
    reply = undefined;
    if (done) {
      if (step !== undefined) refuse([step], peer);
      return { pulled, isRefused: step !== undefined };
    }
    if (step.is === "ask") {
      await keeper.durable(); // An offer may hold what was joined just now: nobody is told what a crash could still take back.
      reply = await session.ask(step.request);
    }
    if (step.is === "settle") await keeper.settle(step.set, step.takenAt);
    if (step.is === "take") {
      const { news, rejections } = await keeper.receive(step.entries, step.judge);
      pulled += news.length;
      if (news.length > 0) onNews?.();
      // What ends the session is counted with its end, and once.
      const fatal = rejections.find(({ code }) => endsSession(code));
      refuse(
        rejections.filter((one) => one !== fatal),
        peer,
      );
      reply = fatal;
    }
  }
}

/** What a broken session says against the peer, if it does: frames and lengths that no honest peer sends, and silence. */
function rejectionOf(error: unknown): Rejection | undefined {
  if (!(error instanceof MeshError)) return undefined;
  const { code, message: detail } = error;
  if (code === "SYNC_OVERSIZED") return { code: "OVERSIZED", detail };
  if (code === "SYNC_ROUNDS") return { code: "ENDLESS", detail };
  if (code === "SYNC_TIMEOUT") return { code: "NO_ANSWER", detail };
  return code === "SYNC_MALFORMED" ? { code: "MALFORMED", detail } : undefined;
}
