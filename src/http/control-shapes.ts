// The shapes of src/node/control.ts as checks: the command line may be older or newer than the node that it asks, so it
// believes an answer only after it looked. Keys that it doesn't know are kept and shown.
import { z } from "zod";
import { SCOPES } from "../core/kinds.ts";
import type {
  BlockView,
  CloudWordsView,
  DomainView,
  ExplainView,
  MemberView,
  PendingView,
  PlanView,
  ProjectView,
  StatusView,
  SwitchedView,
  SwitchView,
} from "../node/control.ts";
import { NOTIFICATIONS_OFF } from "../node/control.ts";
import type { LetGoView, RevokeView, SignerView } from "../node/control-domains.ts";
import { rotationView } from "./rotation-shapes.ts";
import { auditView, rejectionView } from "./trail-shapes.ts";

const text = z.string();
const count = z.number();
const texts = z.array(text);
const fields = z.record(text, z.unknown());

export const scope = z.enum(SCOPES);
export const agreementMode = z.enum(["mirror", "initial", "observe", "none"]);
export const decision = z.enum(["approve", "reject"]);
const notifications = z.looseObject({
  state: z.enum(["off", "connecting", "connected"]),
  sinceMs: count.nullable(),
  lastEventMs: count.nullable(),
  reason: text.nullable(),
  isFlowing: z.boolean(),
  events: z.array(z.looseObject({ type: text, outcome: text, count })),
  captured: z.looseObject({ count, sumMs: z.number(), maxMs: z.number() }),
});
export const keystoneState = z.enum([
  "ok",
  "unreachable",
  "unauthorised",
  "restored",
  "wiped",
  "nodeRestored",
  "canaryMissing",
  "contested",
]);
const projectState = z.enum(["applied", "pending", "stuck", "held", "conflict", "optedOut", "orphaned"]);

export const blockView: z.ZodType<BlockView> = z.looseObject({ peerId: text, name: text, sinceMs: count });

const cloudWords = {
  peerId: text,
  name: text,
  agreement: agreementMode,
  off: z.boolean(),
  projectsOff: count,
  optedOut: count,
};
const cloudWordsView: z.ZodType<CloudWordsView> = z.looseObject(cloudWords);
const switchedView: z.ZodType<SwitchedView> = z.looseObject({ ...cloudWords, domainId: text, domain: text });

export const switchView: z.ZodType<SwitchView> = z.looseObject({
  id: text,
  domainId: text,
  name: text,
  enabled: z.boolean(),
  off: z.boolean(),
  optedOut: z.boolean(),
});

export const statusView: z.ZodType<StatusView> = z.looseObject({
  peerId: text,
  name: text,
  version: text,
  mesh: z
    .looseObject({
      id: text,
      name: text,
      standing: z.enum(["member", "left", "retired", "outside"]).default("member"),
      proposals: count.default(0),
      toSign: count.default(0),
    })
    .nullable(),
  members: count,
  connected: texts,
  addresses: texts,
  replica: z.looseObject({ records: count, root: text, heldStamps: count }),
  sync: z.array(z.looseObject({ peer: text, name: text, toFetch: count, fetched: count, sinceMs: count })).default([]), // A node of before tells none.
  keystone: z.looseObject({
    state: keystoneState,
    why: text.nullable(),
    pending: count,
    stuck: count,
    applying: z.looseObject({ planned: count, done: count, stuck: count }).nullable().default(null), // A node of before tells none.
    held: count,
    replaced: count.default(0),
    lastScanMs: count.nullable(),
    unseen: z.array(z.looseObject({ id: text, name: text, why: text })).default([]), // A node of before tells none.
    creates: z
      .array(z.looseObject({ way: z.enum(["driver", "database"]), works: z.boolean(), detail: text }))
      .default([]), // So is this.
    scans: z
      .looseObject({ by: z.enum(["api", "database"]), detail: text.nullable() })
      .default({ by: "api", detail: null }),
    events: z.array(z.looseObject({ atMs: count, state: keystoneState, what: text })),
    notifications: notifications.default(() => ({ ...NOTIFICATIONS_OFF, events: [] })), // A node of before has none.
  }),
  clock: z.looseObject({
    driftMs: count,
    state: z.enum(["right", "off", "unjudged"]),
    offsetMs: count.nullable(),
    why: text.nullable(),
  }),
  work: z
    .looseObject({
      what: z.enum(["revoke", "take", "share anew"]),
      domainId: text,
      done: count,
      of: count,
      sinceMs: count,
    })
    .nullable()
    .default(null), // A node of before does nothing of the kind.
  alarms: z.array(
    z.looseObject({
      kind: z.enum(["duplicateKey", "rivalRoster"]),
      peerId: text,
      name: text,
      sinceMs: count,
      lastMs: count,
      what: text,
      toldBy: text.nullable(),
    }),
  ),
  rotation: rotationView.nullable().default(null), // A node of before tells none.
  switched: z.array(switchedView),
  blocked: z.array(blockView),
  rejections: z.array(rejectionView),
  struck: z.array(z.looseObject({ peerId: text, name: text, untilMs: count })).default([]), // A node of before tells neither.
  knocks: z.array(z.looseObject({ peerId: text, count, lastMs: count })).default([]),
  audit: auditView.nullable().default(null),
});

export const memberView: z.ZodType<MemberView> = z.looseObject({
  peerId: text,
  name: text,
  state: z.enum(["active", "retired", "pending", "blocked"]),
  voter: z.boolean(),
  connected: z.boolean(),
  addresses: texts,
  root: text.nullable(),
  inSync: z.boolean(),
  refusesUs: z.boolean().default(false), // A node of before says nothing of it.
  heartbeat: z
    .looseObject({ heardMs: count, offsetMs: count, keystone: text, version: text, records: count })
    .nullable(),
});

export const pendingView: z.ZodType<PendingView> = z.looseObject({
  peerId: text,
  name: text.nullable(),
  was: z.enum(["retired", "member"]).nullable().default(null),
  address: text,
  firstMs: count,
  lastMs: count,
  count,
});

export const domainView: z.ZodType<DomainView> = z.looseObject({
  id: text,
  name: text,
  owner: text,
  ownerName: text,
  signers: z.record(text, z.array(scope)),
  agreement: agreementMode,
  projects: count,
  localName: text.nullable(),
  off: z.boolean(),
  projectsOff: count,
  optedOut: count,
  blocked: z.boolean(),
  note: text.nullable(),
  clouds: z.array(cloudWordsView),
  audience: texts.nullable().default(null), // A node of before tells neither of these.
  untold: texts.default([]),
  passingTo: text.nullable().default(null),
});

const named = { id: text, name: text };
const nameds = z.array(z.looseObject(named));
export const revokeView: z.ZodType<RevokeView> = z.looseObject({
  ...named,
  peerId: text,
  peerName: text,
  taken: z.array(scope),
  left: z.array(scope),
  stays: z.looseObject({ records: count, fields: count }),
  goesCount: count,
  goes: z.array(z.looseObject({ ...named, kind: text, field: text, before: z.unknown(), after: z.unknown() })),
  deletedCount: count,
  deleted: nameds,
  undeletedCount: count,
  undeleted: nameds,
  done: z.boolean(),
});

export const letGoView: z.ZodType<LetGoView> = z.looseObject({
  ...named,
  peers: z.array(z.looseObject({ peerId: text, name: text, agreement: agreementMode })),
  untold: texts,
  projects: count,
  done: z.boolean(),
});

export const signerView: z.ZodType<SignerView> = z.looseObject({
  peerId: text,
  domainId: text,
  member: z.boolean(),
  maySign: z.boolean(),
  scopes: z.array(scope),
  since: z.record(text, z.tuple([count, count])),
  owner: text.nullable(),
  agreement: agreementMode,
  why: text,
});

export const projectView: z.ZodType<ProjectView> = z.looseObject({
  id: text,
  domainId: text,
  parentId: text.nullable(),
  name: text,
  description: text.nullable(),
  enabled: z.boolean(),
  tags: texts,
  deleted: z.boolean(),
  state: projectState,
});

const stamp = z.tuple([count, count]);
const rivals = z
  .array(
    z.looseObject({
      value: z.unknown(),
      stamp,
      origin: text,
      originName: text,
      counts: z.boolean(),
      reason: text,
      why: text,
    }),
  )
  .default([]); // A node of before tells none.

export const explainView: z.ZodType<ExplainView> = z.looseObject({
  id: text,
  kind: text,
  set: text,
  fields: z.record(
    text,
    z.looseObject({
      value: z.unknown(),
      stamp,
      origin: text,
      originName: text,
      writtenFor: z.looseObject({ origin: text, originName: text, stamp }).nullable().default(null),
      here: text.nullable().default(null),
      rivals,
    }),
  ),
  noValue: z.record(text, z.looseObject({ rivals })).default({}),
  claims: z.array(z.looseObject({ set: text, owner: text, ownerName: text })).default([]),
  keystone: fields.nullable(),
  state: projectState,
  why: text,
  local: z.array(z.looseObject({ peerId: text, name: text, off: z.boolean(), optedOut: z.boolean() })),
  replaced: z.array(z.looseObject({ field: text, found: z.unknown(), atMs: count })).default([]),
});

export const planView: z.ZodType<PlanView> = z.looseObject({
  action: z.enum(["create", "update", "delete"]),
  kind: text,
  id: text,
  fields,
  because: text,
});
