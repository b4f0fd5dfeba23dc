// Domains that change hands, and those that more clouds may hold: owners pass them on and invite others, by the operator's
// own verbs. Who the owner is now, the nodes' own chains tell.
import type { DomainChain } from "../../src/core/transfers.ts";
import type { Chance } from "./chance.ts";
import type { Shared } from "./founding.ts";
import { attempt } from "./owners.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

/** A domain as it stands now: with the owner and the set that it passed to, as far as any node knows. */
export function presentOf(simulation: Simulation, shared: Shared): Shared {
  const chains = simulation.clouds.flatMap((cloud) => (cloud.isTwin ? [] : (chainAt(cloud, shared) ?? [])));
  const longest = chains.sort((one, other) => other.sets.length - one.sets.length)[0];
  if (longest === undefined || longest.sets.length === 1) return shared;
  const owner = ownerOf(simulation, longest.present);
  return owner === undefined ? shared : { ...shared, owner, set: longest.present };
}

/** The next owner takes what was passed to it; or else the present owner passes the domain on to somebody. */
export async function handOver(simulation: Simulation, first: Shared, chance: Chance): Promise<void> {
  const shared = presentOf(simulation, first);
  const { domainId } = shared;
  const pending = simulation.clouds
    .filter(({ isTwin }) => !isTwin)
    .flatMap((cloud) => chainAt(cloud, first)?.pending ?? [])
    .find((set) => set !== shared.set);
  const next = pending === undefined ? undefined : ownerOf(simulation, pending);
  await attempt(simulation, async () => {
    if (next !== undefined) {
      if (next.running === undefined) return;
      await next.operator.takeDomain({ domain: domainId });
      simulation.happened.count("domain taken over");
      return;
    }
    const to = chance.maybe(simulation.clouds.filter((cloud) => !cloud.isTwin && cloud !== shared.owner));
    if (to === undefined || shared.owner.running === undefined) return;
    await shared.owner.operator.transferDomain({ domain: domainId, peerId: to.peerId, confirmed: true });
  });
}

/** An owner lets one cloud more hold a domain that few may hold. */
export async function invite(simulation: Simulation, { owner, set, domainId }: Shared, chance: Chance): Promise<void> {
  const audience = owner.replica?.authority(set)?.audience;
  const outside = simulation.clouds.filter(
    ({ isTwin, peerId }) => !isTwin && peerId !== owner.peerId && audience?.includes(peerId) === false,
  );
  const guest = chance.maybe(outside);
  if (guest === undefined || audience === undefined || owner.running === undefined) return;
  await attempt(simulation, async () => {
    await owner.operator.shareDomain({ domain: domainId, with: [...audience, guest.peerId] });
    simulation.happened.count("audience widened");
  });
}

/** As this cloud knows it; the first owner's set begins it. */
function chainAt({ replica }: SimCloud, { set, domainId }: Shared): DomainChain | undefined {
  return replica?.domainChains().find((chain) => chain.domainId === domainId && chain.sets.includes(set));
}

function ownerOf(simulation: Simulation, set: string): SimCloud | undefined {
  const peerId = set.split("/")[1];
  return simulation.clouds.find((cloud) => !cloud.isTwin && cloud.peerId === peerId);
}
