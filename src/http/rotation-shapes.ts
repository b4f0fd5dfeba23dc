// The shape of a rotation, as control-shapes.ts has all others.
import { z } from "zod";
import { SCOPES } from "../core/kinds.ts";
import type { RotationView } from "../node/control.ts";

const text = z.string();
const count = z.number();
const texts = z.array(text);
const scope = z.enum(SCOPES);

export const rotationView: z.ZodType<RotationView> = z.looseObject({
  from: text,
  to: text,
  state: z.enum(["entering", "passing", "switching", "taking", "retiring", "done"]),
  sinceMs: count,
  doneMs: count.nullable(),
  waitsFor: texts,
  duties: z.array(
    z.looseObject({
      domainId: text,
      domain: text,
      owner: text,
      ownerName: text,
      lacks: z.array(scope),
      leftOut: z.boolean(),
      held: z.array(scope),
      commands: texts,
    }),
  ),
});
