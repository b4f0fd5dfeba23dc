// Nobody holds anything of a domain whose owner never let them: judged whenever a node makes something durable, from all
// that owners ever said. The forger keeps away from such domains, so nobody who may hold one tells it to others.
import type { RecordKey } from "../../src/core/entry.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

export class AudienceCheck {
  readonly #simulation: Simulation;
  readonly #allowed = new Set<string>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  onKept(cloud: SimCloud, { set, kind, id }: RecordKey): void {
    const [is, owner] = set.split("/");
    const place = `${cloud.peerId} ${set}`;
    if (is !== "domain" || owner === cloud.peerId || this.#allowed.has(place)) return;
    if (this.#isLetIn(cloud, set)) this.#allowed.add(place);
    else if (this.#isLimited(set))
      this.#simulation.fail("who was not let in holds nothing", `${cloud.name} holds ${kind} ${id} of ${set}`);
  }

  /** What its owner said of who may hold a set, ever. */
  *#said(set: string): Iterable<unknown> {
    const owner = set.split("/")[1];
    for (const { entry } of this.#simulation.ledger.said.values())
      if (entry.set === set && entry.kind === "authority" && entry.stamp.origin === owner && "audience" in entry.fields)
        yield entry.fields.audience;
  }

  #isLetIn({ peerId }: SimCloud, set: string): boolean {
    for (const audience of this.#said(set))
      if (audience === null || (Array.isArray(audience) && audience.includes(peerId))) return true;
    return false;
  }

  #isLimited(set: string): boolean {
    for (const audience of this.#said(set)) if (Array.isArray(audience)) return true;
    return false;
  }
}
