// A rotation as an operator sees it: how far it is, what it waits for, and what only other owners can do.

import { ROTATION_SHOWN_MS } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Replica } from "../core/replica.ts";
import { entering, type ForeignDuty, foreignDuties, type Rotated, retiring, toTake } from "../core/rotation.ts";
import type { RotationDutyView, RotationView } from "./control.ts";
import type { Node } from "./node.ts";
import { refusalIn } from "./roster-words.ts";
import type { Rotation } from "./rotation.ts";
import type { RotationMemory } from "./rotation-memory.ts";
import { blockers } from "./rotation-passing.ts";

/** Null where none is under way, and none was done lately. */
export function rotationView(node: Node, rotation: Rotation | undefined): RotationView | null {
  const memory = rotation?.memory;
  const replica = node.membered?.keeper.replica;
  if (rotation === undefined || memory === undefined || replica === undefined) return null;
  const { from, to, sinceMs, doneMs } = memory;
  if (doneMs !== null && node.options.world.now() - doneMs > ROTATION_SHOWN_MS) return null;
  const state = stateOf(memory, node.identity.peerId, replica);
  const duties = foreignDuties({ from, to }, replica).map((duty) => dutyView(duty, { from, to }, node));
  return { from, to, state, sinceMs, doneMs, waitsFor: waitsFor(node, rotation, state), duties };
}

function stateOf(memory: RotationMemory, self: PeerId, replica: Replica): RotationView["state"] {
  if (memory.doneMs !== null) return "done";
  if (self === memory.to) return toTake(memory, replica).length > 0 ? "taking" : "retiring";
  if (memory.handedMs !== null) return "switching";
  return entering(memory, replica.membership).is === "held" ? "passing" : "entering";
}

function waitsFor(node: Node, rotation: Rotation, state: RotationView["state"]): string[] {
  const { memory, trouble } = rotation;
  const replica = node.membered?.keeper.replica;
  if (memory === undefined || replica === undefined || state === "done") return [];
  const waits = trouble === undefined ? [] : [trouble];
  if (state === "passing") waits.push(...blockers(node, memory));
  if (state !== "entering" && state !== "retiring") return waits;
  const step = (state === "entering" ? entering : retiring)(memory, replica.membership);
  const voters = replica.membership.roster?.voters ?? [];
  const signed = new Set(
    replica.membership.proposals.flatMap((one) => (isOf(step, one.roster.hash) ? one.signed : [])),
  );
  const others = voters.filter((peerId) => !signed.has(peerId)).map((peerId) => node.nameOf(peerId));
  if (step.is === "open")
    waits.push(
      `${step.missing} more signature${step.missing === 1 ? "" : "s"}: ${others.join(" or ")} runs keymesh mesh sign ${step.roster.hash.slice(0, 12)}`,
    );
  if (step.is === "refused") waits.push(refusalIn(step, (peerId) => node.nameOf(peerId)).message);
  return waits;
}

function isOf(step: ReturnType<typeof entering>, hash: string): boolean {
  return step.is === "open" && step.roster.hash === hash;
}

/** What an owner is to do for it, as commands for its operator. */
function dutyView(duty: ForeignDuty, { from, to }: Rotated, node: Node): RotationDutyView {
  const { domainId, set, owner, lacks, isLeftOut, held } = duty;
  const replica = node.membered?.keeper.replica;
  const audience = replica?.authority(set)?.audience ?? [];
  const isIn = node.identity.peerId === to;
  const widened = [...new Set([...audience.filter((peerId) => !isIn || peerId !== from), to])].sort();
  const wanted = [...new Set([...lacks, ...(lacks.length > 0 ? heldBy(replica, duty, to) : [])])];
  const commands = [
    ...(isLeftOut ? [`keymesh domain share ${domainId} --with ${widened.join(" ")}`] : []),
    ...(lacks.length > 0 ? [`keymesh domain grant ${domainId} ${to} ${wanted.join(",")}`] : []),
    ...(isIn && held.length > 0 ? [`keymesh domain revoke ${domainId} ${from}`] : []),
  ];
  const name = replica?.field({ set, kind: "domain", id: domainId }, "name")?.value;
  return {
    domainId,
    domain: typeof name === "string" ? name : domainId,
    owner,
    ownerName: node.nameOf(owner),
    lacks,
    leftOut: isLeftOut,
    held,
    commands,
  };
}

/** A grant names all that a signer is to hold. */
function heldBy(replica: Replica | undefined, { set }: ForeignDuty, peerId: PeerId): ForeignDuty["held"] {
  const since = replica?.authority(set)?.signers.get(peerId)?.since;
  return since === undefined ? [] : [...since.keys()];
}
