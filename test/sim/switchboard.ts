// Where simulated meshes find each other: who stands at which address, and the network between.
import type { Chance } from "./chance.ts";
import type { Happened } from "./happened.ts";
import type { Network } from "./network.ts";
import type { SimMesh } from "./sim-mesh.ts";
import type { Timeline } from "./timeline.ts";

export class Switchboard {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly network: Network;
  readonly happened: Happened;
  readonly #meshes = new Map<string, SimMesh>();
  readonly #fail: (checker: string, what: string) => void;

  constructor(parts: {
    timeline: Timeline;
    chance: Chance;
    network: Network;
    happened: Happened;
    fail(checker: string, what: string): void;
  }) {
    this.timeline = parts.timeline;
    this.chance = parts.chance;
    this.network = parts.network;
    this.happened = parts.happened;
    this.#fail = parts.fail;
    parts.network.onCut(() => this.noticeCuts());
  }

  attach(mesh: SimMesh): void {
    this.#meshes.set(mesh.place, mesh);
  }

  detach(mesh: SimMesh): void {
    if (this.#meshes.get(mesh.place) === mesh) this.#meshes.delete(mesh.place);
  }

  at(place: string): SimMesh | undefined {
    return this.#meshes.get(place);
  }

  /** A link was cut, or a node died: its connections are found dead after a while. */
  noticeCuts(): void {
    for (const mesh of this.#meshes.values()) if (mesh.isUp) mesh.noticeCuts();
  }

  fail(checker: string, error: unknown): void {
    this.#fail(checker, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}
