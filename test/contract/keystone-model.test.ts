import { randomUUID } from "node:crypto";
import { createModelKeystone } from "../model/keystone.ts";
import { keystoneContract } from "./keystone-api.ts";

const newId = () => randomUUID().replaceAll("-", "");

keystoneContract("the model Keystone", () => {
  const model = createModelKeystone({ newId });
  return { api: model, newId, setImmutable: async (id, immutable) => model.admin.setImmutable(id, immutable) };
});
