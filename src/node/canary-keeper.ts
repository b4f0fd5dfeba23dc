// The canary in Keystone: found, made, raised. What it means is core/canary.ts's to say.
// The number that is about to be written is durable before it is: a crash in between must not look like a restored node.
import {
  CANARY_KEY,
  CANARY_NAME,
  type CanaryFound,
  type CanaryMemory,
  openCanary,
  sealCanary,
} from "../core/canary.ts";
import type { Signer } from "../core/codec.ts";
import type { KeystoneApi, ProjectObject } from "../keystone/api.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";

/** Every Keystone has it under this ID; it is never shared, so nothing of the mesh ever touches it. */
const CANARY_DOMAIN = "default";
const CANARY_DESCRIPTION =
  "keymesh's mark in this Keystone: tells a restored backup from an operator's edit. Leave it as it is.";

export class CanaryKeeper {
  readonly #api: KeystoneApi;
  readonly #memory: KeystoneMemory;
  readonly #signer: Signer;

  constructor(options: { api: KeystoneApi; memory: KeystoneMemory; signer: Signer }) {
    this.#api = options.api;
    this.#memory = options.memory;
    this.#signer = options.signer;
  }

  /** Reads the canary. One whose write we know to have been under way counts as ours either way. */
  async find(): Promise<CanaryFound> {
    const known = this.#memory.canary;
    const project =
      (known === undefined ? undefined : await this.#api.getProject(known.projectId)) ?? (await this.#findByName());
    if (project === undefined) return { is: "absent" };
    const text = project.extra[CANARY_KEY];
    if (text === undefined || text === null) return { is: "blank", projectId: project.id };
    const mark = openCanary(project.id, text);
    return mark === undefined
      ? { is: "unreadable", projectId: project.id }
      : { is: "mark", projectId: project.id, mark };
  }

  /**
   * Writes the next generation, above every number ever used, and says which. Throws what Keystone says: the caller
   * starts over with a fresh scan, never with a retry of the write.
   */
  async raise(found: CanaryFound): Promise<number> {
    const known = this.#memory.canary;
    const highest = Math.max(known?.generation ?? 0, found.is === "mark" ? found.mark.generation : 0);
    const isResumed = known?.raising !== null && known?.raising !== undefined && known.raising > highest;
    const generation = isResumed ? (known.raising as number) : highest + 1;
    const projectId = found.is === "absent" ? (await this.#make()).id : found.projectId;
    await this.#remember({ projectId, generation: known?.generation ?? 0, raising: generation });
    await this.#api.updateProject(projectId, {
      extra: { [CANARY_KEY]: sealCanary({ projectId, generation }, this.#signer) },
    });
    await this.#remember({ projectId, generation, raising: null });
    return generation;
  }

  async #make(): Promise<ProjectObject> {
    return this.#api.createProject({
      name: CANARY_NAME,
      domainId: CANARY_DOMAIN,
      parentId: CANARY_DOMAIN,
      description: CANARY_DESCRIPTION,
      enabled: false,
      tags: [],
    });
  }

  async #findByName(): Promise<ProjectObject | undefined> {
    const found = await this.#api.findProjects({ name: CANARY_NAME, domainId: CANARY_DOMAIN });
    return found[0];
  }

  async #remember(canary: CanaryMemory): Promise<void> {
    await this.#memory.write({ canary });
  }
}
