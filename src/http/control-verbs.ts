// The control protocol: one POST /v1/<path> per verb, with a JSON body and a JSON answer. Server and client both read
// this table, so a verb stands in one place.

import { z } from "zod";
import { MEMBERS_MAX, SET_RECORDS_MAX } from "../core/limits.ts";
import { conflictView } from "./conflict-shapes.ts";
import {
  agreementMode,
  blockView,
  decision,
  domainView,
  explainView,
  letGoView,
  memberView,
  pendingView,
  planView,
  projectView,
  revokeView,
  scope,
  statusView,
  switchView,
} from "./control-shapes.ts";
import { nothing, peerId, text, verb } from "./control-verb.ts";
import { holdDetailView, holdView } from "./hold-shapes.ts";
import { MEMBERSHIP_VERBS } from "./membership-verbs.ts";
import { rotationView } from "./rotation-shapes.ts";

export const VERBS = {
  ...MEMBERSHIP_VERBS,
  status: verb({ path: "status", body: nothing, answer: statusView, carryOut: (control) => control.status() }),
  join: verb({
    path: "join",
    body: z.strictObject({ address: text }),
    answer: z.looseObject({ id: text, name: text, members: z.number() }),
    carryOut: (control, body) => control.join(body),
  }),
  rotateIdentity: verb({
    path: "identity/rotate",
    body: z.strictObject({ now: z.boolean().exactOptional() }),
    answer: rotationView,
    carryOut: (control, body) => control.rotateIdentity(body),
  }),
  block: verb({
    path: "member/block",
    body: z.strictObject({ peerId }),
    answer: blockView,
    carryOut: (control, body) => control.block(body),
  }),
  unblock: verb({
    path: "member/unblock",
    body: z.strictObject({ peerId }),
    answer: z.looseObject({ peerId: text, name: text }),
    carryOut: (control, body) => control.unblock(body),
  }),
  members: verb({
    path: "member/list",
    body: nothing,
    answer: z.array(memberView),
    carryOut: (control) => control.members(),
  }),
  pending: verb({
    path: "member/pending",
    body: nothing,
    answer: z.array(pendingView),
    carryOut: (control) => control.pending(),
  }),
  shareDomain: verb({
    path: "domain/share",
    body: z.strictObject({
      domain: text,
      with: z.union([z.literal("everyone"), z.array(peerId).min(1).max(MEMBERS_MAX)]).exactOptional(),
      anew: z.boolean().exactOptional(),
      confirmed: z.boolean().exactOptional(),
    }),
    answer: domainView,
    carryOut: (control, body) => control.shareDomain(body),
  }),
  unshareDomain: verb({
    path: "domain/unshare",
    body: z.strictObject({ domain: text, confirmed: z.boolean().exactOptional() }),
    answer: letGoView,
    carryOut: (control, body) => control.unshareDomain(body),
  }),
  acceptDomain: verb({
    path: "domain/accept",
    body: z.strictObject({
      domain: text,
      owner: peerId.exactOptional(),
      mode: agreementMode.exactOptional(),
      name: text.exactOptional(),
      replace: z.boolean().exactOptional(),
    }),
    answer: domainView,
    carryOut: (control, body) => control.acceptDomain(body),
  }),
  ignoreDomain: verb({
    path: "domain/ignore",
    body: z.strictObject({ domain: text, owner: peerId.exactOptional() }),
    answer: domainView,
    carryOut: (control, body) => control.ignoreDomain(body),
  }),
  switchDomain: verb({
    path: "domain/switch",
    body: z.strictObject({ domain: text, owner: peerId.exactOptional(), enabled: z.boolean() }),
    answer: domainView,
    carryOut: (control, body) => control.switchDomain(body),
  }),
  switchProject: verb({
    path: "project/switch",
    body: z.strictObject({ id: text, enabled: z.boolean() }),
    answer: switchView,
    carryOut: (control, body) => control.switchProject(body),
  }),
  optOut: verb({
    path: "project/opt-out",
    body: z.strictObject({ id: text, out: z.boolean() }),
    answer: switchView,
    carryOut: (control, body) => control.optOut(body),
  }),
  grant: verb({
    path: "domain/grant",
    body: z.strictObject({ domain: text, peerId, scopes: z.array(scope).min(1) }),
    answer: domainView,
    carryOut: (control, body) => control.grant(body),
  }),
  revoke: verb({
    path: "domain/revoke",
    body: z.strictObject({
      domain: text,
      peerId,
      scopes: z.array(scope).min(1).exactOptional(),
      undoDeletes: z.array(text).max(SET_RECORDS_MAX).exactOptional(),
      confirmed: z.boolean().exactOptional(),
    }),
    answer: revokeView,
    carryOut: (control, body) => control.revoke(body),
  }),
  transferDomain: verb({
    path: "domain/transfer",
    body: z.strictObject({ domain: text, peerId, confirmed: z.boolean().exactOptional() }),
    answer: letGoView,
    carryOut: (control, body) => control.transferDomain(body),
  }),
  takeDomain: verb({
    path: "domain/take",
    body: z.strictObject({ domain: text, owner: peerId.exactOptional() }),
    answer: domainView,
    carryOut: (control, body) => control.takeDomain(body),
  }),
  domains: verb({
    path: "domain/list",
    body: nothing,
    answer: z.array(domainView),
    carryOut: (control) => control.domains(),
  }),
  projects: verb({
    path: "project/list",
    body: z.strictObject({ domain: text.exactOptional() }),
    answer: z.array(projectView),
    carryOut: (control, body) => control.projects(body),
  }),
  conflicts: verb({
    path: "project/conflicts",
    body: z.strictObject({ domain: text.exactOptional() }),
    answer: z.array(conflictView),
    carryOut: (control, body) => control.conflicts(body),
  }),
  explain: verb({
    path: "project/explain",
    body: z.strictObject({ id: text }),
    answer: explainView,
    carryOut: (control, body) => control.explain(body),
  }),
  plan: verb({ path: "plan", body: nothing, answer: z.array(planView), carryOut: (control) => control.plan() }),
  holds: verb({ path: "hold/list", body: nothing, answer: z.array(holdView), carryOut: (control) => control.holds() }),
  showHold: verb({
    path: "hold/show",
    body: z.strictObject({ id: text }),
    answer: holdDetailView,
    carryOut: (control, body) => control.showHold(body),
  }),
  decideHold: verb({
    path: "hold/decide",
    body: z.strictObject({ id: text, decision }),
    answer: z.looseObject({ id: text, decision }),
    carryOut: (control, body) => control.decideHold(body),
  }),
};
