// One verb of the control protocol: what it takes, what it answers, and what the node does for it.
import { z } from "zod";
import { parsePeerId } from "../core/peer-id.ts";
import { type Control, ControlError } from "../node/control.ts";

/** One verb: what its body and answer look like, and what the node does for it. */
export type Verb<Body, Answer> = {
  readonly path: string;
  readonly body: z.ZodType<Body>;
  readonly answer: z.ZodType<Answer>;
  readonly carryOut: (control: Control, body: Body) => Promise<Answer>;
};

/** The code of a body that a verb doesn't take. */
export const BAD_REQUEST = "BAD_REQUEST";

export const nothing = z.strictObject({});
export const text = z.string().min(1);
export const peerId = z
  .string()
  .refine((id) => parsePeerId(id) !== undefined, "is no peer ID (12D3KooW and 44 characters more)");

/** Checks a raw body and carries the verb out. Errors: ControlError BAD_REQUEST, and whatever the node throws. */
export type Serve = (control: Control, raw: unknown) => Promise<unknown>;

export function verb<Body, Answer>(parts: Verb<Body, Answer>): Verb<Body, Answer> & { readonly serve: Serve } {
  const serve: Serve = async (control, raw) => {
    const body = parts.body.safeParse(raw);
    if (body.success) return parts.carryOut(control, body.data);
    const [issue] = body.error.issues;
    throw new ControlError(BAD_REQUEST, `${parts.path}: ${issue?.path.join(".")} ${issue?.message}`);
  };
  return { ...parts, serve };
}
