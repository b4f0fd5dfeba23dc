// The canary in Keystone: found, made, raised. What it means is core/canary.ts's to say.
// The number that is about to be written is durable before it is: a crash in between must not look like a restored node.
import {
  CANARY_KEYS,
  CANARY_NAME,
  type CanaryFound,
  type CanaryMemory,
  openCanary,
  readCanary,
  sealCanary,
} from "../core/canary.ts";
import type { Signer } from "../core/codec.ts";
import { type KeystoneApi, KeystoneError, type ProjectObject } from "../keystone/api.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";

/** Every Keystone has it under this ID; it is never shared, so nothing of the mesh ever touches it. */
const DEFAULT_DOMAIN = "default";
const CANARY_DESCRIPTION =
  "keymesh's mark in this Keystone: tells a restored backup from an operator's edit. Leave it as it is.";

export class CanaryKeeper {
  readonly #api: KeystoneApi;
  readonly #memory: KeystoneMemory;
  readonly #signer: Signer;
  readonly #newRequestId: () => string;

  constructor(options: { api: KeystoneApi; memory: KeystoneMemory; signer: Signer; newRequestId(): string }) {
    this.#newRequestId = options.newRequestId;
    this.#api = options.api;
    this.#memory = options.memory;
    this.#signer = options.signer;
  }

  /** Reads the canary. One whose write we know to have been under way counts as ours either way. */
  async find(): Promise<CanaryFound> {
    const known = this.#memory.canary;
    const project = (known === undefined ? undefined : await this.#read(known.projectId)) ?? (await this.#findByName());
    if (project === undefined) return { is: "absent" };
    return readCanary(project.id, project.extra, { self: this.#signer.peerId, former: this.#memory.former });
  }

  /**
   * Writes the next generation, above every number ever used, and says which; undefined if what stood there when it was
   * found had gone by the time of this write: Keystone was restored in between, and the next scan's canary says so too.
   * Throws what Keystone says: the caller starts over with a fresh scan, never with a retry of the write.
   */
  async raise(found: CanaryFound): Promise<number | undefined> {
    const known = this.#memory.canary;
    const stood = found.is === "mark" ? found.mark.generation : (known?.generation ?? 0);
    const highest = Math.max(known?.generation ?? 0, stood);
    const isResumed = known?.raising !== null && known?.raising !== undefined && known.raising > highest;
    const generation = isResumed ? (known.raising as number) : highest + 1;
    const projectId = found.is === "absent" ? (await this.#make()).id : found.projectId;
    await this.#remember({ projectId, generation: stood, raising: generation });
    const seal = (number: number) => sealCanary({ projectId, generation: number }, this.#signer);
    const [one, two] = CANARY_KEYS;
    const extra =
      found.is === "mark"
        ? { [found.key === one ? two : one]: seal(generation) }
        : { [one]: seal(generation), [two]: seal(stood) }; // Whatever stands there is none of ours.
    const after = await this.#api.updateProject(projectId, { extra }, { requestId: this.#newRequestId() });
    if (found.is === "mark" && openCanary(projectId, after.extra[found.key])?.generation !== stood) return undefined;
    await this.#remember({ projectId, generation, raising: null });
    return generation;
  }

  /**
   * A canary that stands where our login sees nothing any more is no canary to us, as if it were gone; but not while only
   * a part of our login is refused, which may come back.
   */
  async #read(projectId: string): Promise<ProjectObject | undefined> {
    try {
      return await this.#api.getProject(projectId);
    } catch (error) {
      if (!(error instanceof KeystoneError) || error.code !== "FORBIDDEN") throw error;
      const scope = await this.#api.scope();
      if (scope.is === "domains" && scope.refused.length === 0) return undefined;
      throw error;
    }
  }

  /** Where a canary is looked for and made: the first domain that our login is for, where it isn't for all. */
  async #home(): Promise<string> {
    const scope = await this.#api.scope();
    return scope.is === "all" ? DEFAULT_DOMAIN : (scope.domains[0]?.id ?? DEFAULT_DOMAIN);
  }

  async #make(): Promise<ProjectObject> {
    const home = await this.#home();
    const canary = { name: CANARY_NAME, description: CANARY_DESCRIPTION, enabled: false, tags: [] };
    return this.#api.createProject({ ...canary, domainId: home, parentId: home }, { requestId: this.#newRequestId() });
  }

  async #findByName(): Promise<ProjectObject | undefined> {
    const found = await this.#api.findProjects({ name: CANARY_NAME, domainId: await this.#home() });
    return found[0];
  }

  async #remember(canary: CanaryMemory): Promise<void> {
    await this.#memory.write({ canary });
  }
}
