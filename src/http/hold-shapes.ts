// The shapes of src/node/control-holds.ts as checks, as control-shapes.ts has them of the other verbs.
import { z } from "zod";
import type { HoldDetailView, HoldView } from "../node/control-holds.ts";

const text = z.string();
const count = z.number();

const hold = { id: text, kind: text, what: text, why: text, count, since: count, objects: z.array(text) };
export const holdView: z.ZodType<HoldView> = z.looseObject(hold);

const holdItemView = z.looseObject({
  hold: text,
  id: text,
  kind: z.enum(["project", "domain", "canary"]),
  name: text.nullable(),
  domainId: text.nullable(),
  domain: text.nullable(),
  approve: z.enum([
    "delete",
    "create",
    "rename",
    "edit",
    "createForAll",
    "deleteForAll",
    "optOut",
    "takeOver",
    "replaced",
  ]),
  changes: z.array(z.looseObject({ field: text, from: z.unknown(), to: z.unknown() })),
  by: text.nullable(),
  byName: text.nullable(),
  atMs: count,
});
export const holdDetailView: z.ZodType<HoldDetailView> = z.looseObject({
  ...hold,
  items: z.array(holdItemView),
  leftOut: count,
  trouble: text.nullable(),
});
