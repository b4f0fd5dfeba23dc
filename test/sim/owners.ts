// Owners and operators: who may sign is granted, taken away and granted again; clouds agree otherwise, and decide what is
// held. All by the operator's own verbs; what a verb refuses is an operator's mistake and changes nothing.
import type { AgreementMode } from "../../src/core/keystone-view.ts";
import { SCOPES, type Scope, scopeOf } from "../../src/core/kinds.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { KeystoneError } from "../../src/keystone/api.ts";
import { ControlError } from "../../src/node/control.ts";
import type { Chance } from "./chance.ts";
import type { Shared } from "./founding.ts";
import { holdBack, revoke } from "./revoking.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

const MODES: readonly AgreementMode[] = ["mirror", "mirror", "mirror", "initial", "observe"];
const CAPTURE_HOLDS: ReadonlySet<string> = new Set(["missing", "unconfirmed", "differences", "domainGone"]);

/** Something that an owner does with a domain of its own. */
export async function rule(simulation: Simulation, shared: Shared, chance: Chance): Promise<void> {
  const others = simulation.clouds.filter(({ isTwin, peerId }) => !isTwin && peerId !== shared.owner.peerId);
  const { running } = shared.owner;
  if (running?.node.membered === undefined) return;
  const standing = standingWords(shared);
  // Whose word stands is revoked the more often: only then is anything written anew.
  const heard = others.filter(({ peerId }) => standing.has(peerId));
  const to = heard.length > 0 && chance.is(0.6) ? chance.pick(heard) : chance.maybe(others);
  if (to === undefined) return;
  const held = running.node.membered.keeper.replica.authority(shared.set)?.signers.get(to.peerId);
  const scopes = SCOPES.filter((scope) => held?.since.has(scope));
  const said = standing.get(to.peerId);
  if (scopes.length > 0 && chance.is(said === undefined ? 0.4 : 0.8)) {
    const taken = { from: to.peerId, scopes: scopes.filter((scope) => said?.has(scope) === true || chance.is(0.6)) };
    const delayMs = chance.is(0.6) ? chance.wait(8_000) : undefined;
    return attempt(simulation, async () => {
      const overtaken = delayMs === undefined ? undefined : holdBack(simulation, { ...shared, others, delayMs });
      await revoke(simulation, shared, taken);
      overtaken?.();
    });
  }
  const wanted = SCOPES.filter((scope) => scopes.includes(scope) || chance.is(0.6));
  if (wanted.length === scopes.length) return;
  await attempt(simulation, async () => {
    await running.operator.grant({ domain: shared.domainId, peerId: to.peerId, scopes: wanted });
    simulation.happened.count(held?.takenAt === undefined ? "grant" : "regrant");
  });
}

/** The scopes by which somebody's word decides something in a domain now, as its owner holds it. */
function standingWords({ owner, set: name }: Shared): Map<PeerId, Set<Scope>> {
  const words = new Map<PeerId, Set<Scope>>();
  const { replica } = owner;
  for (const { key } of replica?.set(name)?.records() ?? []) {
    if (key.kind !== "project" && key.kind !== "domain") continue;
    for (const [field, { entry }] of replica?.fields(key) ?? []) {
      const { origin } = entry.stamp;
      words.set(origin, (words.get(origin) ?? new Set()).add(scopeOf(entry.fields, field)));
    }
  }
  return words;
}

/** Something that an operator decides for its own cloud. */
export async function operate(
  simulation: Simulation,
  cloud: SimCloud,
  domains: readonly Shared[],
  chance: Chance,
): Promise<void> {
  const { running } = cloud;
  if (running?.node.membered === undefined) return;
  if (chance.is(0.5) || [...running.node.memory.holds.values()].length > 0) return decide(simulation, cloud, chance);
  const shared = chance.pick(domains);
  if (shared.owner.peerId === cloud.peerId) return;
  await attempt(simulation, async () => {
    const mode = chance.pick(MODES);
    await running.operator.acceptDomain({ domain: shared.domainId, owner: shared.owner.peerId, mode });
  });
}

async function decide(simulation: Simulation, cloud: SimCloud, chance: Chance): Promise<void> {
  const { running } = cloud;
  if (running === undefined) return;
  await attempt(simulation, async () => {
    const hold = chance.maybe(await running.operator.holds());
    if (hold === undefined) return;
    const decision = chance.is(0.5) ? "approve" : "reject";
    if (decision === "approve" && CAPTURE_HOLDS.has(hold.kind))
      for (const id of hold.objects) simulation.checks.approved.get(cloud.keystone)?.add(id);
    simulation.happened.count(decision === "approve" ? "hold approved" : "hold rejected");
    await running.operator.decideHold({ id: hold.id, decision });
  });
}

/** What a verb refuses, or can't do while Keystone is away, is the operator's trouble and no failure. */
export async function attempt(simulation: Simulation, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof ControlError) && !(error instanceof KeystoneError)) throw error;
    simulation.timeline.note(`refused: ${error.code}`);
  }
}
