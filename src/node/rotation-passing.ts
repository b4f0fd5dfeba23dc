// A rotation under the old key: the new one is in, and everything is passed on to it. Until the batch of `handOver` is
// durable nothing has changed for anybody, and after it only the new key goes on.
import { localId } from "../core/kinds.ts";
import { ROTATION_TELL_MS } from "../core/limits.ts";
import type { Replica, Write } from "../core/replica.ts";
import { foreignDuties, handover } from "../core/rotation.ts";
import { cloudSet, type SetName, setOwner } from "../core/set-name.ts";
import type { Identity } from "../mesh/identity.ts";
import { ControlError } from "./control.ts";
import { wordOf } from "./domain-views.ts";
import { hearFirst } from "./heard-first.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { formerBatch, type RotationMemory, rotationBatch } from "./rotation-memory.ts";

/** What is to be done by others first, or here; in an operator's words. */
export function blockers(node: Node, rotation: RotationMemory): string[] {
  const { replica } = memberedOf(node).keeper;
  const { state } = node.memory.state;
  const waits: string[] = [];
  if (state !== "ok")
    waits.push(`this Keystone's state is ${state}: it must be ok first, so that nothing passes for an edit`);
  if (rotation.isUrgent) return waits;
  for (const { domainId, pending } of handover(rotation, replica).onTheirWay) {
    const next = pending === undefined ? undefined : setOwner(pending);
    const name = next === undefined ? "another member" : node.nameOf(next);
    waits.push(`domain ${domainId} is on its way to ${name}, who has not taken it yet: keymesh domain take there`);
  }
  const open = foreignDuties(rotation, replica).filter(
    ({ lacks, isLeftOut, set }) => (lacks.length > 0 || isLeftOut) && isFollowed(replica, set),
  );
  if (open.length > 0)
    waits.push(
      `other owners have not let the new peer ID into ${open.length} of their domains: keymesh identity rotate lists what they have to run; with --now it goes on without`,
    );
  return waits;
}

/** Whether this cloud has an agreement about a domain: without one nothing here depends on what it may do there. */
function isFollowed(replica: Replica, set: SetName): boolean {
  const chain = replica.domainChains().find(({ present }) => present === set);
  const mode = chain === undefined ? undefined : wordOf(replica, chain, localId(replica.self)).get("mode")?.value;
  return mode !== undefined && mode !== "none";
}

/** Says where the new peer ID is reached, so that who dials us finds it: its own word, signed with its own key. */
export async function announce(node: Node, { peerId, signer }: Identity): Promise<void> {
  const { keeper } = memberedOf(node);
  const key = { set: cloudSet(peerId), kind: "cloud", id: peerId };
  if (keeper.replica.field(key, "addresses") !== undefined) return;
  const addresses = node.mesh.addresses().map((address) => address.replace(node.identity.peerId, peerId));
  const write: Write = { ...key, fields: { name: node.options.config.name, addresses } };
  await keeper.writeAs(signer, [write]);
}

/**
 * Makes sure that a member knows of the new peer ID, or nobody would open to it; and that this owner has heard what it
 * said itself before its disk was set back. Errors: NOBODY_HEARS, NOT_HEARD_YET, BUSY.
 */
export async function tellFirst(node: Node, rotation: RotationMemory): Promise<void> {
  const { replica } = memberedOf(node).keeper;
  const { from, to } = rotation;
  const others = [...replica.membership.members].filter((peerId) => peerId !== from && peerId !== to);
  if (others.length > 0 && (await tellAll(node)) === 0)
    throw new ControlError(
      "NOBODY_HEARS",
      "no other member is connected that could hear of the new peer ID: keymesh member list shows who is",
    );
  for (const { set } of handover(rotation, replica).writes) await hearFirst(node, set);
  if (await node.ownerWork.isAtWork())
    throw new ControlError("BUSY", "this node is at work on a domain that it owns: keymesh status shows how far it is");
}

/** Sessions with all who are connected; how many ran to their end. */
async function tellAll(node: Node): Promise<number> {
  const { antiEntropy } = memberedOf(node);
  const told = await Promise.all(node.mesh.connected().map((peerId) => antiEntropy.sync(peerId)));
  return told.filter(Boolean).length;
}

/** The point of no return. `done` gets the row once it is durable; `restart` follows in any case. */
export async function handOver(
  node: Node,
  rotation: RotationMemory,
  then: { done(handed: RotationMemory): void; restart(): void },
): Promise<void> {
  const { keeper, loop, words } = memberedOf(node);
  const { world, log } = node.options;
  if (keeper.clockOff !== undefined) throw keeper.clockOff;
  await loop.stop(); // What is edited here from now on, the new key captures.
  try {
    const { from, to } = rotation;
    for (const [set, takenAt] of handover(rotation, keeper.replica).settled) await keeper.settle(set, takenAt);
    const { writes } = handover(rotation, keeper.replica);
    const handed = { ...rotation, handedMs: world.now() };
    const limited = writes.filter(({ fields }) => Array.isArray(fields.audience)).map(({ set }) => set);
    const untold = limited.flatMap((set) => {
      const audience = keeper.replica.authority(set)?.audience ?? [];
      return words.toTell(set, audience).meta ?? [];
    });
    const meta = [...untold, ...rotationBatch(handed), ...formerBatch(node.memory.former, from)];
    await keeper.write(writes, { meta });
    then.done(handed);
    log.info(
      { audit: "identity.handover", from, to, domains: writes.length },
      "the old key passed on all that it owns",
    );
    const patience = new Promise<void>((resolve) => void world.after(ROTATION_TELL_MS, resolve));
    await Promise.race([Promise.all([words.tellNow(), tellAll(node)]), patience]);
  } finally {
    then.restart(); // Under the old key too, if nothing could be written: the loop has to run again.
  }
}
