// What every KeystoneApi does alike: run by the model Keystone and by the client against a real one.
import { beforeAll, describe } from "vitest";
import { creations, reads, updates } from "./keystone-projects.ts";
import { domains, hierarchy, immutables } from "./keystone-tree.ts";
import { values } from "./keystone-values.ts";
import { type ContractWorld, prepare, type Tools } from "./keystone-world.ts";

export function keystoneContract(name: string, makeWorld: () => Promise<ContractWorld> | ContractWorld): void {
  describe(`KeystoneApi: ${name}`, () => {
    let tools: Tools;
    beforeAll(async () => {
      tools = await prepare(await makeWorld());
    });
    describe("creates", () => creations(() => tools));
    describe("names and values", () => values(() => tools));
    describe("reads", () => reads(() => tools));
    describe("updates", () => updates(() => tools));
    describe("hierarchy", () => hierarchy(() => tools));
    describe("domains", () => domains(() => tools));
    describe("immutable objects", () => immutables(() => tools));
  });
}
