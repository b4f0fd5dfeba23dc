// Revoking, as the owner's operator does it. The words that the owner says anew are many messages in a large domain, which
// overtake each other: `holdBack` has the revoke itself come first.
import { wireOf } from "../../src/core/codec.ts";
import type { Entry, RecordKey } from "../../src/core/entry.ts";
import type { Scope } from "../../src/core/kinds.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import type { SetName } from "../../src/core/set-name.ts";
import { compareStamps } from "../../src/core/stamp.ts";
import { encodeBatches } from "../../src/core/sync-messages.ts";
import type { Shared } from "./founding.ts";
import { textOf } from "./ledger.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

/** Takes scopes from a signer. `undoDeletes` names projects whose delete by that signer is undone. */
export async function revoke(
  simulation: Simulation,
  { owner, set, domainId }: Pick<Shared, "owner" | "set" | "domainId">,
  taken: { from: PeerId; scopes: readonly Scope[]; undoDeletes?: readonly string[] },
): Promise<void> {
  const { from: peerId, scopes, undoDeletes = [] } = taken;
  if (scopes.length === 0) return;
  const words = wordsOf(owner, set, peerId);
  const view = await owner.operator.revoke({ domain: domainId, peerId, scopes, undoDeletes, confirmed: true });
  if (!view.done) return;
  simulation.happened.count("revoke");
  const told = new Set([
    ...view.goes.map(({ id, field }) => `${id} ${field}`),
    ...view.undeleted.map(({ id }) => `${id} deleted`),
  ]);
  if (view.goesCount > view.goes.length || view.undeletedCount > view.undeleted.length) return; // Not all of it is listed.
  for (const { key, field, entry } of words) {
    const now = owner.replica?.field(key, field)?.entry;
    if (now !== undefined && compareStamps(now.stamp, entry.stamp) >= 0) continue;
    if (JSON.stringify(now?.fields[field]) === JSON.stringify(entry.fields[field])) continue; // Said earlier by another.
    if (!told.has(`${key.id} ${field}`))
      simulation.fail(
        "a revoke keeps what stood",
        `${owner.name} lets ${field} of ${textOf(entry)} go, and says nothing`,
      );
  }
}

type Word = { readonly key: RecordKey; readonly field: string; readonly entry: Entry };

/** What a signer's word decides in a domain now, as its owner holds it. */
function wordsOf({ replica }: SimCloud, set: SetName, peerId: PeerId): Word[] {
  const keys = [...(replica?.set(set)?.records() ?? [])].map(({ key }) => key);
  return keys
    .filter(({ kind }) => kind === "project" || kind === "domain")
    .flatMap((key) => [...(replica?.fields(key) ?? [])].map(([field, { entry }]) => ({ key, field, entry })))
    .filter(({ entry }) => entry.stamp.origin === peerId);
}

/**
 * For so long nothing gets through from the owner, but that the other clouds hear of the revoke itself, before the words
 * that its owner said anew for it. Answers how to tell them.
 */
export function holdBack(
  { network, timeline, ledger }: Simulation,
  options: Pick<Shared, "owner" | "set"> & { readonly others: readonly SimCloud[]; readonly delayMs: number },
): () => void {
  const { owner, set, others, delayMs } = options;
  const before = new Set(ledger.said.keys());
  const mend = network.cut(
    [owner.place],
    others.map(({ place }) => place),
  );
  timeline.after(delayMs, "a revoke's words get through", mend);
  return () => {
    const said = [...ledger.said].filter(([hash, { cloud }]) => cloud === owner.name && !before.has(hash));
    const entries = said.map(([, { entry }]) => entry);
    const authority = entries.filter(({ kind }) => kind === "authority");
    const [bytes] = encodeBatches(authority.map(wireOf));
    if (bytes === undefined || !entries.some(({ fields }) => fields.for !== undefined)) return;
    for (const cloud of others) if (owner.replica?.mayHold(set, cloud.peerId)) cloud.hearFrom(owner, bytes);
  };
}
