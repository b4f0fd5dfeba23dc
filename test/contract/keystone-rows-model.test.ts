// KEYSTONE's rules, row by row, on the model Keystone: as SQLite compares names, and as MariaDB does.
import { randomUUID } from "node:crypto";
import { createModelKeystone } from "../model/keystone.ts";
import { keystoneRows } from "./keystone-rows.ts";
import { domains, tree } from "./keystone-rows-tree.ts";
import { naming, texts } from "./keystone-rows-values.ts";

for (const database of ["sqlite", "mariadb"] as const) {
  const model = createModelKeystone({ newId: () => randomUUID().replaceAll("-", ""), database });
  const setImmutable = async (id: string, immutable: boolean) => model.admin.setImmutable(id, immutable);
  keystoneRows(`the model on ${database}`, () => ({ api: model, database, setImmutable, crashEvery: 1 }), {
    tree,
    domains,
    naming,
    texts,
  });
}
