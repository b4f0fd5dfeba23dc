// The verbs about membership in the control protocol, and the shapes of src/node/control-membership.ts as checks.
import { z } from "zod";
import type {
  AdmittedView,
  ChangesView,
  FollowedView,
  LeftBehindView,
  NamedPeer,
  PolicyView,
  ProposalView,
  RosterView,
  SignatureView,
  WordView,
} from "../node/control-membership.ts";
import { nothing, peerId, text, verb } from "./control-verb.ts";

const count = z.number();
const peerIds = z.array(peerId).readonly().exactOptional();

const named = { peerId: text, name: text };
const namedPeer: z.ZodType<NamedPeer> = z.looseObject(named);
const namedPeers = z.array(namedPeer);
const word: z.ZodType<WordView> = z.looseObject({ ...named, atMs: count });
const signature: z.ZodType<SignatureView> = z.looseObject({ ...named, atMs: count, counts: z.boolean() });
const changes: z.ZodType<ChangesView> = z.looseObject({
  joined: namedPeers,
  gone: namedPeers,
  retired: namedPeers,
  reinstated: namedPeers,
  votersAdded: namedPeers,
  votersRemoved: namedPeers,
  name: z.looseObject({ from: text, to: text }).nullable(),
  admitThreshold: z.looseObject({ from: count, to: count }).nullable(),
  recovery: z.looseObject({ from: text.nullable(), to: text.nullable() }).nullable(),
});
const roster = z.looseObject({ hash: text, version: count });
const proposalShape = {
  hash: text,
  version: count,
  state: z.enum(["current", "open", "lost"]),
  changes,
  signatures: z.array(signature),
  missing: count,
  maySign: namedPeers,
  proposedBy: z.array(word),
  meshId: text,
  body: z.record(z.string(), z.unknown()),
};
const proposal: z.ZodType<ProposalView> = z.looseObject(proposalShape);
const leftBehind: z.ZodType<LeftBehindView> = z.looseObject({
  owns: z.array(z.looseObject({ id: text, name: z.string() })),
  holds: z.array(z.looseObject({ id: text, name: z.string(), owner: text, ownerName: text, scopes: z.array(text) })),
});
const retirement: z.ZodType<ProposalView & { readonly leftBehind: LeftBehindView }> = z.looseObject({
  ...proposalShape,
  leftBehind,
});
const admitted: z.ZodType<AdmittedView> = z.looseObject({
  peerId: text,
  admitted: z.boolean(),
  votes: namedPeers,
  needed: count,
});
const followed: z.ZodType<FollowedView> = z.looseObject({
  hash: text,
  state: z.enum(["current", "past", "awaited"]),
  roster,
});
const policy: z.ZodType<PolicyView> = z.looseObject({
  meshId: text,
  name: text,
  roster,
  voters: namedPeers,
  majority: count,
  admitThreshold: count,
  members: count,
  recovery: z.looseObject({ peerId: text, counts: z.boolean() }).nullable(),
  openProposals: count,
  notes: z.array(text),
});
const rosters: z.ZodType<RosterView[]> = z.array(
  z.looseObject({
    hash: text,
    version: count,
    previous: text.nullable(),
    standing: z.enum(["current", "past", "proposed", "rival", "lacking", "stray"]),
    why: text,
    changes: changes.nullable(),
    signatures: z.array(signature),
    proposedBy: z.array(word),
    needed: count,
  }),
);

export const MEMBERSHIP_VERBS = {
  createMesh: verb({
    path: "mesh/create",
    body: z.strictObject({ name: text, recovery: peerId.exactOptional() }),
    answer: z.looseObject({ id: text, name: text }),
    carryOut: (control, body) => control.createMesh(body),
  }),
  admit: verb({
    path: "member/admit",
    body: z.strictObject({ peerId, name: text.exactOptional() }),
    answer: admitted,
    carryOut: (control, body) => control.admit(body),
  }),
  retire: verb({
    path: "member/retire",
    body: z.strictObject({ peerId, rival: z.boolean().exactOptional() }),
    answer: retirement,
    carryOut: (control, body) => control.retire(body),
  }),
  leave: verb({
    path: "member/leave",
    body: nothing,
    answer: z.looseObject({ mesh: z.string(), told: count }),
    carryOut: (control) => control.leave(),
  }),
  proposals: verb({
    path: "mesh/proposals",
    body: nothing,
    answer: z.array(proposal),
    carryOut: (control) => control.proposals(),
  }),
  sign: verb({
    path: "mesh/sign",
    body: z.strictObject({
      proposal: text,
      rival: z.boolean().exactOptional(),
      stale: z.boolean().exactOptional(),
      byRecoveryKey: z.strictObject({ entry: z.base64(), signature: z.base64() }).exactOptional(),
    }),
    answer: proposal,
    carryOut: (control, body) => control.sign(body),
  }),
  follow: verb({
    path: "mesh/follow",
    body: z.strictObject({ roster: text }),
    answer: followed,
    carryOut: (control, body) => control.follow(body),
  }),
  policy: verb({ path: "mesh/policy", body: nothing, answer: policy, carryOut: (control) => control.policy() }),
  changePolicy: verb({
    path: "mesh/policy/change",
    body: z.strictObject({
      voters: z.array(peerId).min(1).readonly().exactOptional(),
      addVoters: peerIds,
      removeVoters: peerIds,
      admitThreshold: z.int().min(1).exactOptional(),
      name: text.exactOptional(),
      reinstate: peerIds,
      recovery: peerId.nullable().exactOptional(),
      rival: z.boolean().exactOptional(),
    }),
    answer: proposal,
    carryOut: (control, body) => control.changePolicy(body),
  }),
  history: verb({ path: "mesh/history", body: nothing, answer: rosters, carryOut: (control) => control.history() }),
};
