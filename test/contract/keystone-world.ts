// The world that the rows of the KeystoneApi contract stand in: one domain, fresh names, short ways to make things.
import { expect } from "vitest";
import type { KeystoneApi, KeystoneErrorCode, ProjectCreation, ProjectObject } from "../../src/keystone/api.ts";

export type ContractWorld = {
  readonly api: KeystoneApi;
  /** 32 fresh lower-case hex digits. */
  readonly newId: () => string;
  /** The option that makes Keystone refuse all writes; keymesh itself never sets it. */
  readonly setImmutable: (id: string, immutable: boolean) => Promise<void>;
};
export type Tools = ContractWorld & {
  readonly domainId: string;
  /** A name that no other test uses. */
  readonly fresh: (stem?: string) => string;
  /** A project at the top of the common domain, unless `overrides` says otherwise. */
  readonly make: (overrides?: Partial<ProjectCreation>) => Promise<ProjectObject>;
  readonly makeDomain: () => Promise<string>;
};

export async function prepare(world: ContractWorld): Promise<Tools> {
  let count = 0;
  const run = world.newId().slice(0, 6);
  const fresh = (stem = "project") => `${stem}-${run}-${++count}`;
  const makeDomain = async () => {
    const id = world.newId();
    await world.api.createDomain({ id, name: fresh("domain"), description: null, enabled: true });
    return id;
  };
  const domainId = await makeDomain();
  const plain = { description: "", enabled: true, tags: [] };
  const make = (overrides: Partial<ProjectCreation> = {}) =>
    world.api.createProject({
      id: world.newId(),
      name: fresh(),
      domainId,
      parentId: overrides.domainId ?? domainId,
      ...plain,
      ...overrides,
    });
  return { ...world, domainId, fresh, make, makeDomain };
}

export async function refuses(code: KeystoneErrorCode, write: Promise<unknown>): Promise<void> {
  await expect(write).rejects.toMatchObject({ name: "KeystoneError", code });
}
