import { randomUUID } from "node:crypto";
import { createModelKeystone } from "../model/keystone.ts";
import { keystoneContract } from "./keystone-api.ts";
import { storageContract } from "./keystone-storage.ts";

const newId = () => randomUUID().replaceAll("-", "");

for (const database of ["sqlite", "mariadb"] as const)
  storageContract(`the model on ${database}`, database, () => {
    const model = createModelKeystone({ newId, database });
    return { api: model, newId, setImmutable: async (id, immutable) => model.admin.setImmutable(id, immutable) };
  });

keystoneContract("the model Keystone", () => {
  const model = createModelKeystone({ newId });
  return { api: model, newId, setImmutable: async (id, immutable) => model.admin.setImmutable(id, immutable) };
});
