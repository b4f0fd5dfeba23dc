// The shape of what `project conflicts` answers.
import { z } from "zod";
import { CONFLICT_KINDS } from "../core/conflict.ts";
import type { ConflictView } from "../node/control.ts";

export const conflictView: z.ZodType<ConflictView> = z.looseObject({
  id: z.string(),
  name: z.string(),
  domainId: z.string(),
  kind: z.enum(CONFLICT_KINDS),
  field: z.string().nullable(),
  others: z.array(z.string()),
  what: z.string(),
  resolve: z.string(),
});
