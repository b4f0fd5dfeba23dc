// The shapes of what a status tells of the past: what was refused, and how the audit of everything else is doing.
import { z } from "zod";

const text = z.string();
const count = z.number();

export const rejectionView = z.looseObject({
  peerId: text,
  name: text.default(""), // A node of before tells the peer ID, the code and the count.
  code: text,
  why: text.default(""),
  count,
  firstMs: count.default(0),
  lastMs: count.default(0),
  detail: text.default(""),
  via: text.default(""),
});

/** A node of before has none. */
export const auditView = z.looseObject({
  file: text,
  waiting: count,
  lost: count,
  why: text.nullable(),
  broker: z.looseObject({ waiting: count, lost: count, why: text.nullable() }).nullable().default(null),
});
