// Serves one sync session of a member: carries out what the core's answering half says, and ends it where the peer broke
// the rules. What is told to a peer is durable first.
import { toString as render } from "uint8arrays";
import { SYNC_IDLE_TIMEOUT_MS, SYNC_SESSION_MAX_MS } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import { type Checked, type Rejection, refuse } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";
import { type AnsweringOptions, type Served, SyncAnswering } from "../core/sync-answering.ts";
import { endsSession } from "../core/sync-asking.ts";
import { MeshError } from "../mesh/mesh-error.ts";
import type { SyncAnswerer } from "../mesh/mesh-types.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";

export type AnswererOptions = Pick<AnsweringOptions, "view"> & {
  readonly keeper: ReplicaKeeper;
  now(): UnixMs;
  refuse(rejections: readonly Rejection[], relay: PeerId): void;
  /** The root of roots that the peer tells, 64 hex digits. */
  onRoot(root: string): void;
};

/** Later than the asking side gives up, so that no honest peer meets it. */
const SESSION_MAX_MS = SYNC_SESSION_MAX_MS + SYNC_IDLE_TIMEOUT_MS;

/** Answers the requests of one session. It throws MeshError once a request was refused, which is counted by then. */
export function answererFor(peer: PeerId, options: AnswererOptions): SyncAnswerer {
  const { keeper, now, view } = options;
  const answering = new SyncAnswering({
    replica: keeper.replica,
    view,
    vouches: (line) => keeper.replica.vouches(line),
  });
  const beganMs = now();
  let isRootKnown = false;
  let isOver = false;

  const end = (rejection: Rejection): MeshError => {
    isOver = true;
    options.refuse([rejection], peer);
    return new MeshError("SYNC_CLOSED", `sync with ${peer}: ${rejection.code}, ${rejection.detail}`);
  };

  return async (request) => {
    if (isOver) throw new MeshError("SYNC_CLOSED", `sync with ${peer}: the session is over`);
    const isLate = now() - beganMs > SESSION_MAX_MS;
    const served: Checked<Served> = isLate
      ? refuse("ENDLESS", `a session of more than ${SESSION_MAX_MS} ms`)
      : answering.answer(request);
    if (!served.ok) throw end(served.rejection);
    const root = isRootKnown ? undefined : answering.theirRoot;
    isRootKnown ||= root !== undefined;
    if (root !== undefined) options.onRoot(render(root, "hex"));
    if (served.value.is === "take") {
      const { rejections } = await keeper.receive(served.value.entries, served.value.judge);
      const fatal = rejections.find(({ code }) => endsSession(code));
      options.refuse(
        rejections.filter((one) => one !== fatal),
        peer,
      );
      if (fatal !== undefined) throw end(fatal);
    }
    await keeper.durable(); // Nobody is told of an entry that a crash could still take back.
    if (served.value.is === "answer" && served.value.rejection !== undefined) {
      isOver = true;
      options.refuse([served.value.rejection], peer);
    }
    return served.value.bytes;
  };
}
