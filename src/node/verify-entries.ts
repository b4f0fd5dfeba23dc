// Opens what a peer sent, and verifies many signatures on the threads of Node's pool while this thread goes on reading:
// one by one they took 70 % of a late joiner's time.
import { verify } from "node:crypto";
import { type MeshId, openEntry, openStored, publicKeyObject, type WireEntry } from "../core/codec.ts";
import type { Entry } from "../core/entry.ts";
import type { PeerId } from "../core/peer-id.ts";
import { type Checked, refuse } from "../core/rejection.ts";

/** Whether a signature of this peer over these bytes is good. */
export type Verify = (origin: PeerId, bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>;

/** Fewer than this are verified here and now: a thread takes longer to wake than they take. */
const FEW = 8;

/** As `openEntry`, for each of these, in their order. Without `verify` nothing is waited for. */
export function openEntries(
  meshId: MeshId,
  wires: readonly WireEntry[],
  verify?: Verify,
): readonly Checked<Entry>[] | Promise<readonly Checked<Entry>[]> {
  if (verify === undefined || wires.length < FEW) return wires.map((wire) => openEntry(meshId, wire));
  return Promise.all(wires.map((wire) => openElsewhere(meshId, wire, verify)));
}

async function openElsewhere(meshId: MeshId, wire: WireEntry, verify: Verify): Promise<Checked<Entry>> {
  const opened = openStored(meshId, wire);
  const origin = opened.ok ? opened.value.stamp.origin : opened.rejection.origin;
  // A fault in what was signed is the origin's only if it signed that: else whoever relays could blame anybody.
  if (origin !== undefined && !(await verify(origin, wire[0], wire[1])))
    return refuse("BAD_SIGNATURE", `not signed by ${origin}`);
  return opened;
}

/** Verifies on a thread of Node's pool. */
export const verifyOnThreads: Verify = (origin, bytes, signature) =>
  new Promise((resolve, reject) => {
    verify(null, bytes, publicKeyObject(origin), signature, (error, isGood) => {
      if (error === null) resolve(isGood);
      else reject(error);
    });
  });
