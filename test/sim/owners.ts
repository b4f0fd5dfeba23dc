// Owners and operators: who may sign is granted, taken away and granted again; clouds agree otherwise, and decide what is
// held. All by the operator's own verbs; what a verb refuses is an operator's mistake and changes nothing.
import type { AgreementMode } from "../../src/core/keystone-view.ts";
import { SCOPES } from "../../src/core/kinds.ts";
import { KeystoneError } from "../../src/keystone/api.ts";
import { ControlError } from "../../src/node/control.ts";
import type { Chance } from "./chance.ts";
import type { Shared } from "./founding.ts";
import { overtake, revoke } from "./revoking.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

const MODES: readonly AgreementMode[] = ["mirror", "mirror", "mirror", "initial", "observe"];
const CAPTURE_HOLDS: ReadonlySet<string> = new Set(["missing", "unconfirmed", "differences", "domainGone"]);

/** Something that an owner does with a domain of its own. */
export async function rule(simulation: Simulation, shared: Shared, chance: Chance): Promise<void> {
  const others = simulation.clouds.filter(({ isTwin, peerId }) => !isTwin && peerId !== shared.owner.peerId);
  const to = chance.maybe(others);
  const { running } = shared.owner;
  if (to === undefined || running?.node.membered === undefined) return;
  const held = running.node.membered.keeper.replica.authority(shared.set)?.signers.get(to.peerId);
  const scopes = SCOPES.filter((scope) => held?.since.has(scope));
  if (scopes.length > 0 && chance.is(0.5)) {
    const taken = { from: to.peerId, scopes: scopes.filter(() => chance.is(0.6)) };
    const isOvertaken = chance.is(0.5);
    return attempt(simulation, async () => {
      const words = await revoke(simulation, shared, taken);
      if (isOvertaken) overtake(shared.owner, others, words);
    });
  }
  const wanted = SCOPES.filter((scope) => scopes.includes(scope) || chance.is(0.6));
  if (wanted.length === scopes.length) return;
  await attempt(simulation, async () => {
    await running.operator.grant({ domain: shared.domainId, peerId: to.peerId, scopes: wanted });
    simulation.happened.count(held?.takenAt === undefined ? "grant" : "regrant");
  });
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
